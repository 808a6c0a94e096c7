# Everything sets itself up: only Python 3.11 (or newer) and git are needed.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
# Processes that run the tests: WORKERS=0 runs them in this one, as a debugger wants.
WORKERS ?= logical
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup

.PHONY: demo test test-slow test-cluster coverage cluster check lint types contracts dead-code bench schemas pod-schema docs setup
.DEFAULT_GOAL := help

help:
	@echo "make demo          the product's tour, on an embedded cluster (no Kubernetes needed)"
	@echo "make test          the test suite; where Go is, against a real API server too (built once)"
	@echo "make test-slow     what takes minutes: kills at every request, real signals, mutants"
	@echo "make test-cluster  only the tests that need a real API server"
	@echo "make coverage      the branches that the unit tests and the laws take"
	@echo "make cluster       a real API server with the CRDs of the sample's systems, until ^C"
	@echo "make check         lint, types, import contracts, dead code"
	@echo "make bench         benchmarks: ratios against a baseline of the same run"
	@echo "make schemas       write schemas/ anew"
	@echo "make pod-schema    write the schema of pods anew, from a real API server"
	@echo "make docs          write the generated pages of docs/ anew"

$(STAMP): pyproject.toml constraints.txt reconciler/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (once) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/reconciler demo

# A real API server is used where it is, or where Go can build it; RECONCILER_CLUSTER=off leaves it
# out, RECONCILER_CLUSTER=required fails without it.
test: $(STAMP)
	@$(BIN)/python -m tests.controlplane prepare
	$(PYTEST) -m "not slow"

# The rest: every kill and answer at every request, processes with real signals, mutants.
test-slow: $(STAMP)
	@$(BIN)/python -m tests.controlplane prepare
	$(PYTEST) -m slow

test-cluster: $(STAMP)
	@RECONCILER_CLUSTER=required $(BIN)/python -m tests.controlplane prepare
	RECONCILER_CLUSTER=required $(BIN)/python -m pytest tests/contract tests/cluster

coverage: $(STAMP)
	RECONCILER_CLUSTER=off $(PYTEST) -m "not slow" --cov --cov-report=term tests/unit tests/laws

cluster: $(STAMP)
	@$(BIN)/python -m tests.controlplane cluster

# .pre-commit-config.yaml runs the same four.
check: lint types contracts dead-code

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

dead-code: $(STAMP)
	$(BIN)/vulture

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

schemas: $(STAMP)
	$(BIN)/reconciler schema --write schemas

pod-schema: $(STAMP)
	$(BIN)/python -m tests.pod_schema

docs: $(STAMP)
	$(BIN)/python -m tests.sample_pull_request
	$(BIN)/python -m tests.error_catalogue
