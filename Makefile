# Every target sets up what it needs: Python 3.11 or later and make are enough. `make` alone lists the targets.
CANDIDATES := python3.13 python3.12 python3.11 python3
PYTHON ?= $(shell for python in $(CANDIDATES); do $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NEXT := .venv-next
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadgroup
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo check docs test test-slow test-keras-next coverage dist bench soak format clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed. Set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing keras_transfer and its tools into $(VENV) (once, a few minutes)"
	@$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $(READY)

demo: $(READY)  ## watch a network learn a new task and answer from a SavedModel
	$(BIN)/keras-transfer demo

check: $(READY)  ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)  ## the documentation in build/site; a broken link or a public name that is not explained fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: check docs  ## everything CI runs, by two processes
	$(BIN)/pytest -m "not slow" $(PARALLEL)

test-slow: $(READY)  ## the contract tests over every heavy network as well
	$(BIN)/pytest -m "slow" $(PARALLEL)

test-keras-next: $(NEXT)/.ready  ## the tests with the nightly build of the next Keras, in an environment of its own
	$(NEXT)/bin/pytest -m "not slow" $(PARALLEL) $(TESTS)

$(NEXT)/.ready: setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed. Set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(NEXT)/bin/python || $(PYTHON) -m venv $(NEXT)
	@$(NEXT)/bin/python -m pip install --quiet --editable '.[test]'
	@$(NEXT)/bin/python -m pip uninstall --quiet --yes keras
	@$(NEXT)/bin/python -m pip install --quiet --pre --force-reinstall --no-deps keras-nightly
	@touch $@

coverage: $(READY)  ## which lines the tests reach
	$(BIN)/pytest -m "not slow" --cov --cov-report=term

dist: $(READY)  ## the wheel and the source distribution, in dist/
	rm -rf dist
	$(BIN)/python -m build

bench: $(READY)  ## the benchmarks of reading and the cache, an hour; writes benchmarks/README.md
	$(BIN)/python benchmarks/run_all.py

soak: $(READY)  ## the server under 32 clients for two minutes: no failed request, memory flat
	$(BIN)/python -W ignore benchmarks/soak.py

format: $(READY)  ## let ruff write the code's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what the targets made
	rm -rf $(VENV) $(NEXT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
