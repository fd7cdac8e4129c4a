# Two commands for a newcomer: `make run` shows it working, `make test` proves it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PROTOS := $(wildcard proto/market_spine/v1/*.proto)
SAMPLE := sample
# Test processes beside each other. Three take less time on two cores, but make all slow to answer.
WORKERS ?= 2
BESIDE := -n $(WORKERS) --dist worksteal
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests start hundreds of processes: each would compile all of the code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check unit db2 contract fuzz api bench chaos calendars clean setup

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Market Spine needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/python pyproject.toml setup.py $(PROTOS)
	@echo "Setting up $(VENV) (about a minute the first time) ..."
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

setup: $(VENV)/.dev ## Install everything a developer needs into .venv

run: $(VENV)/.runtime ## Set up, load a sample of three weeks and three tiers, show the results
	@BIN=$(BIN) SAMPLE=$(SAMPLE) sh examples/tour.sh

test: check ## Everything that has to hold: lint, types, layers, protos, tests
	@# Those of Db2 mostly wait for their server: they run beside the others, and are told last.
	@said=$$(mktemp); $(BIN)/python -m pytest tests/db2 >$$said 2>&1 & db2=$$!; \
	trap "kill $$db2; rm -f $$said" INT TERM; \
	$(BIN)/python -m pytest $(BESIDE); others=$$?; \
	wait $$db2; db2=$$?; cat $$said; rm -f $$said; [ $$others = 0 ] && [ $$db2 = 0 ]

check: $(VENV)/.dev ## Lint, format, types, layers and protos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src
	$(BIN)/lint-imports
	$(BIN)/buf lint
	@# What clients rely on may grow, but neither change nor go.
	@if git cat-file -e main:proto/market_spine/v1/access.proto 2>/dev/null; then \
	  echo "$(BIN)/buf breaking --against '.git#branch=main'"; \
	  $(BIN)/buf breaking --against '.git#branch=main'; \
	else echo "buf breaking: SKIPPED, no branch main here has this contract to compare with"; fi

unit: $(VENV)/.dev ## All tests but those of Db2, over SQLite and a real PostgreSQL
	$(BIN)/python -m pytest $(BESIDE)

db2: $(VENV)/.dev ## The tests of Db2, in a process of their own; the last lines tell what they ran on
	$(BIN)/python -m pytest tests/db2

# A target gets runs, backfills and invented files: it should be a server for trying things out.
# Tokens stand in no command, so that make does not show them.
contract: export SPINE_TEST_TARGET = $(TARGET)
contract: export SPINE_TEST_CA = $(TARGET_CA)
contract: export SPINE_TEST_TOKEN_ADMIN = $(TOKEN_ADMIN)
contract: export SPINE_TEST_TOKEN_OPERATOR = $(TOKEN_OPERATOR)
contract: export SPINE_TEST_TOKEN_VIEWER = $(TOKEN_VIEWER)
contract: $(VENV)/.dev ## Try the contract of the API on servers of its own, or on TARGET=host:port
	$(BIN)/python -m pytest tests/contract/api $(if $(TARGET),,$(BESIDE))

fuzz: $(VENV)/.dev ## Send ten times as many arbitrary messages to every method as the tests do
	SPINE_TEST_FUZZ=2000 $(BIN)/python -m pytest tests/contract/api/test_api_fuzz.py $(BESIDE)

api: $(VENV)/.dev ## Write docs/api.md, the reference of the API, from the protos
	$(BIN)/python docs/generate_api.py

$(VENV)/.bench: $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

bench: $(VENV)/.bench ## Time loads and reads against the databases' own ways, as ratios
	$(BIN)/python benchmarks/refresh_week.py
	$(BIN)/python benchmarks/refresh_postgres.py
	$(BIN)/python benchmarks/bulk_load.py
	$(BIN)/python benchmarks/read_database.py
	$(BIN)/python benchmarks/queue_and_history.py
	$(BIN)/python benchmarks/run_overhead.py
	$(BIN)/python benchmarks/grpc_api.py

chaos: $(VENV)/.dev ## 5,000 runs while workers, PostgreSQL and Dask are killed and clocks are wrong
	PYTHONPATH=tests $(BIN)/python tests/integration/chaos.py $(CHAOS)

calendars: $(VENV)/.dev ## Take the sessions that are shipped from the installed library anew
	$(BIN)/python -c 'from market_spine.adapters.outbound.calendars import exchange, shipped; \
	  shipped.write_shipped("XNYS", 2010, 2030, exchange.computed_sessions("XNYS", 2010, 2030))'

clean: ## Remove what was built, not the data
	rm -rf $(VENV) build dist *.egg-info src/v1 .pytest_cache .mypy_cache .ruff_cache .hypothesis
