# Two commands on a fresh machine: `make demo` shows the product, `make test` checks it.
#
# On Linux, PyPI's torch is the CUDA build (several GB). For the CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)
TORCH := $(shell grep '^torch==' constraints.txt)$(if $(TORCH_INDEX),+cpu,)

.PHONY: demo test lint check clean

$(VENV)/runtime: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) torch,)
	$(PIP) -e .
	touch $@

$(VENV)/dev: $(VENV)/runtime
	$(PIP) -e '.[dev]'
	touch $@

demo: $(VENV)/runtime
	$(BIN)/faprompt demo --out demo_out

test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow or slow"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

clean:
	rm -rf $(VENV) demo_out
