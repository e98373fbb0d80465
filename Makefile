# The two commands of the README are `make demo` and `make test`; `make check` is what continuous integration runs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SYSTEM_UV := $(shell command -v uv 2>/dev/null)
UV := $(or $(SYSTEM_UV),$(BIN)/uv)
# In the order of their folders: those that take longest come first, and no worker is left with one at the end.
PYTEST = $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
COMPOSE = docker compose --file deploy/compose.yaml
# Where uv is absent it lives in the environment itself, so syncing must not remove it.
SYNC = UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --quiet --frozen --inexact --compile-bytecode
# Each trial is a process: what is compiled once here, it need not compile, even where Python writes no bytecode itself.
COMPILE = $(BIN)/python -m compileall -q src engine/src
# And what numba compiles: in a new clone, several tests at a time would each compile the same for a quarter of a minute.
WARM = $(BIN)/python -m haversine_dbscan warm

# The files whose words are checked.
WORDED = README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md CITATION.cff .github benchmarks deploy docs engine src tests tools

.DEFAULT_GOAL := help
.PHONY: audit help stack-up stack-down demo test test-quick test-core test-containers check lint types imports docs format environment

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: | $(UV) ## Compare DBSCANs on the bundled synthetic city
	@$(SYNC) --no-default-groups --extra algorithms
	@$(COMPILE)
	@$(BIN)/taxi compare --repeats 3 --adapters grid,sklearn,sklearn-parallel,dbscan

test: environment ## Run every test
	@$(WARM)
	$(PYTEST)

test-quick: environment ## Run the unit tests
	$(PYTEST) tests/unit engine/tests

test-core: ## Run the tests with the core dependencies alone
	$(MAKE) VENV=.venv-core core-tests

test-containers: environment ## Run the platform in containers, as root on Debian
	sh tests/containers/install.sh
	TAXI_TEST_CONTAINERS=1 $(BIN)/pytest tests/containers

check: lint types imports docs test test-core ## Everything that continuous integration runs

lint: environment ## Check style, format and words
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell $(WORDED)

types: environment ## Check types
	$(BIN)/mypy

imports: environment ## Check that imports go one way
	$(BIN)/lint-imports --no-logo

docs: environment ## Build the documentation site into build/site; a broken link fails
	@rm -rf build/site
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/site

audit: environment ## Check hashes, licences and known vulnerabilities of all dependencies
	$(BIN)/python tools/audit.py

format: environment ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

stack-up: ## Start the platform on containers; secrets are made the first time
	sh deploy/make-secrets.sh
	$(COMPOSE) up --build --detach
	$(COMPOSE) ps --all

stack-down: ## Stop the containers; their data stay
	$(COMPOSE) down

environment: | $(UV)
	@$(SYNC) --all-extras --group dev
	@$(COMPILE)

# The rooms that no optional library reaches are the same in both environments.
.PHONY: core-tests
core-tests: | $(UV)
	@$(SYNC) --no-default-groups --group test
	@$(COMPILE)
	$(PYTEST) $(addprefix --ignore=,engine/tests $(addprefix tests/unit/,engine evaluation reports testing trials)) \
		--ignore=tests/integration/trials

$(BIN)/uv:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv
