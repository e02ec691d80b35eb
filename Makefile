# Each target is one command; `make help` lists them.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-dev demo up down restart status logs doctor smoke test test-fallback test-fast coverage test-all test-e2e test-upgrade engines lint types picture format bench soak fuzz kill constraints release-check clean

VENV := .venv
BIN := $(VENV)/bin
# Arguments for the command behind a target: make demo ARGS=--once, make test ARGS="-k mrl"
ARGS ?=
comma := ,
# What `make up` brings up, and how: make up MODEL=demo MODE=docker
MODEL ?=
MODE ?=
STACK_FLAGS = $(if $(MODEL),--model $(MODEL)) $(if $(MODE),--mode $(MODE))
# The tests' processes, each file in one of them: make test JOBS=4, or JOBS=0 for a debugger.
JOBS ?= 2
SPREAD = -n $(JOBS) --dist loadfile --no-loadscope-reorder
# Tried in this order; PYTHON=… names another.
PYTHONS = $(PYTHON) python3.12 python3.11 python3.13 python3.14 python3
# As pyproject.toml has it: from 3.15 on some of what is installed has no wheels.
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
# The programs in .venv name the folder that they were made in, and a Python: both may have gone, or be another's.
STALE := $(shell [ ! -e $(VENV)/runtime.stamp ] || { [ -x $(BIN)/python ] && head -n 2 $(BIN)/embedstack 2>/dev/null \
	| grep -qF -e "$$(pwd -P)/$(BIN)/" -e "$$PWD/$(BIN)/"; } || echo stale)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/runtime.stamp ## Install embedstack into .venv

setup-dev: $(VENV)/dev.stamp ## Install what tests, linters and benchmarks need as well

demo: setup ## See it work: no download of weights, no GPU, about a minute (ARGS=--once: then stop)
	@$(BIN)/embedstack demo $(ARGS)

up: setup ## Bring the stack up: model, engine, bridge, Open WebUI (MODEL=demo, MODE=docker, ARGS=--no-webui)
	@$(BIN)/embedstack up $(STACK_FLAGS) $(ARGS)

down: setup ## Stop it; its data stay (ARGS=--volumes: they go, with secrets, logs and, in Docker, Ollama's models)
	@$(BIN)/embedstack down $(ARGS)

restart: setup ## Start its parts again (ARGS=bridge: one of them)
	@$(BIN)/embedstack restart $(ARGS)

status: setup ## Say how each of its parts is
	@$(BIN)/embedstack status $(ARGS)

logs: setup ## Show what its parts have written (ARGS=--follow)
	@$(BIN)/embedstack logs $(ARGS)

doctor: setup ## Find what stops the stack on this machine, and say what to do about it
	@$(BIN)/embedstack doctor $(STACK_FLAGS) $(ARGS)

smoke: setup ## Check that what answers is right (MODEL=demo, ARGS="--url http://localhost:11435")
	@$(BIN)/embedstack smoke $(if $(MODEL),--model $(MODEL)) $(ARGS)

test: setup-dev ## Run the tests with the embedded engine: needs Python alone
	$(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-fast: setup-dev ## Run the unit tests that start no process and take no time: half a minute
	$(BIN)/python -m pytest $(SPREAD) -m "not process and not slow" tests/unit $(ARGS)

test-fallback: setup-dev ## Run the tests of the embedded engine on its fallback, llama.cpp's server
	EMBEDDED_INTERFACE=server $(BIN)/python -m pytest $(SPREAD) tests/integration $(ARGS)

coverage: setup-dev ## Run `make test`, and say which lines and branches it has been through
	$(BIN)/python -m pytest $(SPREAD) --cov --cov-report=term:skip-covered $(ARGS)

test-all: engines ## Run the tests with every engine: Ollama, llama-server and vLLM too
	$(BIN)/python -m pytest $(SPREAD) --engines=all $(ARGS)

test-e2e: engines ## Run Open WebUI end to end: a real one, its vector stores, a browser (apt install chromium)
	$(BIN)/python -m tests.e2e.install
	$(BIN)/python -m pytest tests/e2e $(ARGS)

test-upgrade: setup-dev ## Install an earlier version, bring its stack up, and upgrade it (wants the repository's history)
	$(BIN)/python -m pytest tests/upgrade $(ARGS)

engines: setup-dev ## Build or install the engines that test-all needs (once; 20 minutes; .ci/run has the packages)
	$(BIN)/python -m tests.engines

lint: setup-dev ## Check style, which way imports run, and prose against the glossary
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m tests.prose

types: setup-dev ## Check types
	$(BIN)/mypy

picture: setup-dev ## Draw docs/house.svg: the rooms of the sources, and which way imports run
	@$(BIN)/python -m tests.house

format: setup-dev ## Put style right where a program can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev ## Measure the bridge beside its alternatives: a quarter of an hour (ARGS=flood: one of them; apt install nginx-light)
	$(BIN)/python -m tests.engines --only ollama
	$(BIN)/python -m benchmarks $(ARGS)

soak: setup-dev ## Half an hour of requests while the engine is killed again and again (ARGS="--minutes 5")
	$(BIN)/python -m benchmarks.soak $(ARGS)

fuzz: setup-dev ## What nobody would send, to a bridge and to every reader of files (ARGS="--minutes 5 --seed 1")
	$(BIN)/python -m benchmarks.fuzz $(ARGS)

kill: setup-dev ## Kill parts of running stacks under load: 200 kills, an hour (ARGS="--kills 20 --seed 1 --json")
	@$(BIN)/python -m benchmarks.kills $(ARGS)

constraints: setup-dev ## Pin the newest versions of all dependencies in constraints.txt
	@{ sed -n '/^#/p' constraints.txt; \
	   $(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --python-version 3.11 --all-extras pyproject.toml; \
	} > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt

release-check: setup-dev ## Build wheel, sdist, SBOM and checksums in dist, and check them in an empty home (ARGS=--image)
	@$(BIN)/python -m tests.release $(ARGS)

clean: ## Remove .venv and what the tools left behind; engines and models in the user's cache stay
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: stale
stale:
	@echo "$(VENV) was made in another folder, or its Python has gone; it is made again."
	@rm -rf $(VENV)

$(VENV)/runtime.stamp: pyproject.toml constraints.txt $(if $(STALE),stale)
	$(call make_venv)
	$(call install,.[all])
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp
	$(call install,.[all$(comma)dev$(comma)clients])
	@touch $@

define make_venv
@$(BIN)/python -c '$(USABLE)' 2>/dev/null && exit; \
for python in $(PYTHONS); do \
	if $$python -c '$(USABLE)' 2>/dev/null; then \
		echo "Setting up $(VENV) with $$($$python --version), once …"; \
		exec $$python -m venv --clear $(VENV); \
	fi; \
done; \
echo "No Python from 3.11 to 3.14 with venv was found (tried: $(strip $(PYTHONS)))." >&2; \
echo "Install one (Debian, Ubuntu: apt install python3-venv), or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
exit 1
endef

# uv installs in seconds what takes pip a minute, and trusts the certificates that pip trusts. Where pip is told of an index or a proxy that uv would not know of, or
# uv does not come through, pip does it.
define install
@echo "Installing $(1) …"
@export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_SYSTEM_CERTS="$${UV_SYSTEM_CERTS:-true}"; \
{ ! $(BIN)/pip config list | grep -qE 'index|proxy' \
  && $(BIN)/pip install --quiet --constraint constraints.txt uv \
  && $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '$(1)'; \
} || $(BIN)/pip install --quiet --constraint constraints.txt --editable '$(1)'
endef
