# Every target does its own set-up: `make demo` in a fresh clone needs Python 3.11, git and make, and no root.
PYTHON ?= python3
BIN := .venv/bin
SETUP := $(PYTHON) tools/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help demo serve test nightly check format bench bench-peers campaign openapi clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Make a film out of real pictures and speech. Your own clips: make demo CLIPS="a.mp4 b.mp4"
	@$(SETUP)
	@$(BIN)/python examples/demo.py $(if $(CLIPS),--clips $(CLIPS))

serve: ## Start the control plane on port 8000, with the settings of .env
	@$(SETUP)
	@$(BIN)/python -m control_plane serve

test: ## Run every test, the S3 suite against a real S3 server included. A part: make test ARGS="tests/unit -x"
	@$(SETUP) dev s3-server
	@$(BIN)/python -m pytest -m "not nightly" $(ARGS)

nightly: ## The slow suites: the fault campaign with its promises of time, for a machine that is not busy
	@$(SETUP) dev
	@$(BIN)/python -m pytest -m nightly $(ARGS)

check: ## Format, lint, layers and types, changing nothing
	@$(SETUP) dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python $(BIN)/lint-imports
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy tools/*.py examples/*.py

format: ## Format the code and mend what ruff can mend
	@$(SETUP) dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: ## Measure submissions and reads per second against a plain FastAPI route
	@$(SETUP)
	@$(BIN)/python -m benchmarks.api

bench-peers: ## Measure Rushes against FastAPI with Celery and with Huey, and what 100 submissions a second cost it
	@$(SETUP) dev bench-peers
	@$(BIN)/python -m benchmarks.peers
	@$(BIN)/python -m benchmarks.submissions

campaign: ## Thousands of jobs, hundreds of kills, every fault: minutes. Again: make campaign ARGS="--seed 7"
	@$(SETUP) dev
	@$(BIN)/python -m tests.campaign $(ARGS)

openapi: ## Write the API's description to docs/openapi.json
	@$(SETUP)
	@$(BIN)/rushes openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

clean: ## Remove set-up, caches and the demo's files; jobs and films in data/ stay
	rm -rf .venv .boot data/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
