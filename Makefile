# One command, the same for people and CI. Needs Python 3.11, g++ and make; all else goes into .venv.
# The tests also need a Tcl interpreter: Python's tkinter or tclsh.

PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
STAMP := .venv/.stamp
WORKERS ?= 2

.PHONY: help venv test lint demo conformance bench clean

help:
	@echo "make demo         compile the shipped model, run real test images through its RTL"
	@echo "make test         the whole test suite"
	@echo "make lint         ruff and mypy"
	@echo "make bench        every figure beside its target"
	@echo "make conformance  the long run over many models"
	@echo "make clean        remove what builds leave behind (.venv stays)"

venv: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "no virtual environment: on Debian, apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet -e '.[train,dev]'
	@touch $@

test: $(STAMP)
	$(BIN)/pytest -n $(WORKERS)

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy

demo: $(STAMP)
	$(BIN)/python examples/digits_lstm/demo.py

conformance: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) tests/conformance --full

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf build dist out .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -print | xargs rm -rf
