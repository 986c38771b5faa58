# `make verify` and `make test` work on a fresh machine: each first makes .venv and installs what constraints.txt pins.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: verify test lint format clean

verify: $(READY)  ## measure every theorem; ARGS="--full" for tighter intervals
	$(BIN)/sasa-theory verify $(ARGS)

test: lint  ## style, types, then the tests on all cores
	$(BIN)/pytest -n auto $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv verify build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# torch first and alone: asked for with its exact version, pip takes a local CPU wheel where there is one
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[plot,test]'
	touch $@
