# `make help` lists the targets. Each creates .venv by itself when it is missing or when its versions changed.
#
#   PYTHON=python3.12   the interpreter to create .venv with
#   ARGS="..."          more arguments for the command that a target runs
#   TIERGRAPH_DATA=...  public data for training and evaluation, see evals/README.md
#   OUT=my-router       the folder that `make train` writes to, src/tiergraph/models otherwise
#   TIERGRAPH_TRAIN=1   `make test` installs PyTorch too and runs the training test

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: run test lint types wheel train bench clean help

BIN := .venv/bin
OUT := src/tiergraph/models
INPUTS := pyproject.toml constraints.txt .ci/venv

# TIERGRAPH_TRAIN=1 asks for an environment with PyTorch
TESTING := $(if $(TIERGRAPH_TRAIN),.venv/.tiergraph-train,.venv/.tiergraph-dev)

# data beside the checkout is used when nothing else is named
ifeq ($(origin TIERGRAPH_DATA),undefined)
ifneq ($(wildcard ../shared/data/.),)
export TIERGRAPH_DATA := $(CURDIR)/../shared/data
endif
endif

run: .venv/.tiergraph-base ## route the example inbox and print what happened
	@$(BIN)/tiergraph demo $(ARGS)

test: $(TESTING) ## run the tests
	@$(BIN)/python -m pytest $(ARGS)

lint: .venv/.tiergraph-dev ## check the code with ruff
	@$(BIN)/ruff check $(ARGS) .

types: .venv/.tiergraph-dev ## check the types with mypy
	@$(BIN)/mypy $(ARGS)

wheel: .venv/.tiergraph-dev ## build the wheel into dist/
	@rm -rf build
	@$(BIN)/python -m build --wheel $(ARGS)

train: .venv/.tiergraph-train ## train the embedded router model again from TIERGRAPH_DATA, into OUT
	@$(BIN)/tiergraph train --out "$(OUT)" $${TIERGRAPH_DATA:+--data "$$TIERGRAPH_DATA"} $(ARGS)

bench: .venv/.tiergraph-base ## measure the engine on this machine
	@$(BIN)/tiergraph bench $(ARGS)

clean: ## remove what builds and tests leave behind; .venv stays
	@rm -rf build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .langgraph_api
	@find src prompts graphs tests -type d -name __pycache__ -prune -exec rm -rf {} +

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r target does; do printf '%-12s %s\n' "$$target" "$$does"; done

.venv/.tiergraph-base: $(INPUTS)
	@PYTHON="$(PYTHON)" sh .ci/venv base

.venv/.tiergraph-dev: $(INPUTS)
	@PYTHON="$(PYTHON)" sh .ci/venv dev

.venv/.tiergraph-train: $(INPUTS)
	@PYTHON="$(PYTHON)" sh .ci/venv train
