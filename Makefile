# `make demo` and `make test` are all that a fresh machine needs: Python 3.11+, git, make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DOBBY_HOME ?= $(CURDIR)/.dobby
MLX ?= auto
export DOBBY_HOME

.DEFAULT_GOAL := help

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.installed ## Install the package into .venv (MLX=cuda for an NVIDIA GPU on Linux)

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
ifeq ($(MLX),cuda)
	@# Both builds bring the same libmlx.so; the one that was installed last is in use.
	$(BIN)/python -m pip install --quiet --editable '.[cuda]'
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps mlx-cuda-13==0.32.4
endif
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,distributed]'
	@touch $@

demo: setup ## Summarise 24 symbols of this repository, and their files, with the embedded model
	$(BIN)/dobby models pull smollm2-135m
	$(BIN)/dobby repos add dobby .
	DOBBY_MODEL=smollm2-135m $(BIN)/dobby summarize dobby --limit 24
	@$(BIN)/dobby show dobby
	@echo "These come from a model of 135M parameters, which proves the pipeline and often gets"
	@echo "code wrong. For real work: see the README's section on models. To look around: make ui"

ui: setup ## Open Dagster on http://localhost:3000
	@mkdir -p $(DOBBY_HOME)/dagster
	@test -e $(DOBBY_HOME)/dagster/dagster.yaml || cp dagster.yaml $(DOBBY_HOME)/dagster/
	DAGSTER_HOME=$${DAGSTER_HOME:-$(DOBBY_HOME)/dagster} $(BIN)/dagster dev -w workspace.yaml

test: $(VENV)/.installed-dev ## Run the whole test suite, with coverage
	$(BIN)/dobby models pull smollm2-135m
	@# Many tests start processes, each of which would compile the package by itself.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

check: $(VENV)/.installed-dev ## Lint, check types, validate the definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/dagster definitions validate -w workspace.yaml

clean: ## Remove the virtual environment and this repository's .dobby
	rm -rf $(VENV) .dobby

.PHONY: help setup demo ui test check clean
