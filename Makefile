# Two commands on a fresh machine: `make demo` shows the product, `make test` checks it.
#
# On Linux, PyPI's torch is the CUDA build (several GB). For the CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: demo test ray lint check clean

.venv/runtime: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -e .
	touch $@

.venv/dev: .venv/runtime
	$(INSTALL) -e '.[dev]'
	touch $@

demo: .venv/runtime
	$(BIN)/faprompt demo --out demo_out

test: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.venv/ray: .venv/dev
	$(INSTALL) -e '.[ray]'
	touch $@

# A real cluster of two nodes whose workers and drivers are killed; fails where Ray is missing.
ray: .venv/ray
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m ray tests/scale

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

clean:
	rm -rf .venv demo_out
