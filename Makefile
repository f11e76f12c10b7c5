# Two commands on a fresh machine: `make demo` shows the product, `make test` checks it.
#
# On Linux, PyPI's torch is the CUDA build (several GB). For the CPU build:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: demo test browser killloop ray fuzz lock lint check clean

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

# What carries a mark of its own; here a test that is skipped fails.
MARKED := PYTHONPATH=tests/support OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no_skips

# Chromium: the one that CHROMIUM names, or the one on the PATH; without any this fails.
browser: .venv/dev
	$(MARKED) -m browser tests/browser

# Kills commands again and again; longer, and elsewhere: make killloop KILLS=48 SEED=2
KILLS ?= 8
SEED ?= 1
killloop: .venv/dev
	FAPROMPT_KILLS=$(KILLS) FAPROMPT_KILL_SEED=$(SEED) $(MARKED) -n 2 -m killloop tests/killloop

# Every reader of what strangers hand over, guided by coverage: make fuzz SECONDS=120
SECONDS ?= 60
fuzz: .venv/dev
	$(INSTALL) -e '.[fuzz]'
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz.py --seconds $(SECONDS)

# requirements.lock is what Linux on x86-64 with Python 3.11 installs from PyPI, with hashes; another
# platform, or the CPU build of torch: make lock LOCK=here.lock. See docs/reliability.md.
LOCK ?= requirements.lock
lock: .venv/runtime
	PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= $(INSTALL) --dry-run --ignore-installed \
		--report .venv/report.json .
	$(BIN)/python .ci/lock.py .venv/report.json > $(LOCK)

.venv/ray: .venv/dev
	$(INSTALL) -e '.[ray]'
	touch $@

# A real cluster of two nodes whose workers and drivers are killed; fails where Ray is missing.
ray: .venv/ray
	$(MARKED) -m ray tests/scale

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.13

check: lint test browser killloop ray

clean:
	rm -rf .venv demo_out
