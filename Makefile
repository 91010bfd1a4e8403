# Every target sets up its own environment: only make and a Python >= 3.12 are needed; uv is used where it is installed.
.PHONY: demo test test-fast test-all lint format bench docs notebooks clean help

ENV := .venv/.ready
BIN := .venv/bin
export OPENBLAS_NUM_THREADS ?= 1
export JMIMPUTE_DATA ?= $(abspath $(wildcard ../shared/data))

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: $(ENV)  ## impute the shipped data, pool an analysis, draw a picture; results in demo/
	$(BIN)/jmimpute demo --out demo

test: lint  ## what CI runs: minutes
	$(BIN)/pytest -n auto -m "not slow" --durations=30

test-fast: $(ENV)  ## no sampling: seconds
	$(BIN)/pytest -q -n auto -m "not slow and not sampling"

test-all: lint  ## calibration and parity runs included
	$(BIN)/pytest -n auto

lint: $(ENV)  ## style, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(ENV)  ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(ENV)  ## side by side with jomo, where R has it
	$(BIN)/python benchmarks/against_jomo.py

docs: $(ENV)  ## the site in docs/_build/html, with short runs of the notebooks; the next time, only what has changed
	JMIMPUTE_SHORT=1 $(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html

notebooks: $(ENV)  ## run the notebooks in full: out/notebooks/NAME.ipynb and what each writes
	$(BIN)/python scripts/run_notebooks.py out/notebooks

clean:  ## remove environments, caches and results
	rm -rf .venv demo out docs/_build docs/reference/api docs/tutorials/*.py .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(ENV): pyproject.toml uv.lock
	@sh scripts/environment.sh
	@touch $@
