# make demo: from nothing to runs/demo/report.html    make lint: style, layering and types
# make test: the tests but for some forty long ones    make test-all: all of them
PYTHON ?= python3
PYTHON_NEXT ?= python3.12
SHELL := /bin/bash
BIN := .venv/bin

.PHONY: demo test test-all lint quick-test-next clean

demo: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/demo.sh

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-all: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

# The quick tests with the newest jax, pandas and anndata, where Python 3.12 is installed, but for rooms that rest on NumPy and files.
quick-test-next: .venv-next/installed
	.venv-next/bin/python -m pytest -n 2 --dist loadfile -m "not slow" $(addprefix --ignore=tests/,benchmarks demo engines probes slides zoo)

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "pathfm needs Python 3.11, 3.12 or 3.13; $(PYTHON) is another: make PYTHON=python3.12 …" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable '.[report,test]'
	touch $@

.venv-next/installed: requirements/next.lock pyproject.toml
	test -x .venv-next/bin/python || $(PYTHON_NEXT) -m venv .venv-next
	.venv-next/bin/python -m pip install --quiet --require-hashes -r requirements/next.lock
	.venv-next/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf .venv .venv-next runs demo
