# Every target does its own set-up: `make demo` in a fresh clone needs Python 3.11, git and make, and no root.
PYTHON ?= python3
BIN := .venv/bin
SETUP := $(PYTHON) tools/bootstrap.py
# More than the two cores of a small machine: tests wait for processes and clocks much of their time.
TESTS_AT_ONCE := 3

.DEFAULT_GOAL := help
.PHONY: help demo serve test nightly test-browser test-engines audit check format bench bench-gpu bench-in-flight bench-peers bench-export campaign test-security fuzz soak openapi client test-client chromium clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Make a film out of real pictures and speech. Your own clips: make demo CLIPS="a.mp4 b.mp4"
	@$(SETUP)
	@$(BIN)/python examples/demo.py $(if $(CLIPS),--clips $(CLIPS))

serve: ## Start the control plane on port 8000, with the settings of .env
	@$(SETUP)
	@$(BIN)/python -m control_plane serve

test: ## Run every test, the S3 suite against a real S3 server included. A part: make test ARGS="tests/unit -x"
	@$(SETUP) dev s3-server
	@$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal -m "not nightly and not browser" $(ARGS)

nightly: ## The slow suites: the fault campaign with its promises of time, for a machine that is not busy
	@$(SETUP) dev
	@$(BIN)/python -m pytest -m nightly $(ARGS)

test-engines: ## The GPU engines on tiny models, in .venv-engines with torch; needs no GPU
	@$(PYTHON) tools/engines_env.py
	@OMP_NUM_THREADS=1 .venv-engines/bin/python -m pytest tests/engines $(ARGS)

test-browser: ## The console, and films, in this machine's Chromium, which `make chromium` installs
	@$(SETUP) dev browser
	@$(BIN)/python -m pytest -m browser $(ARGS)

audit: ## Ask the OSV database about everything that the lock files name. Not ours: ARGS="--ignore GHSA-..."
	@$(SETUP)
	@$(BIN)/python tools/audit.py $(ARGS)

check: ## Format, lint, layers and types, changing nothing
	@$(SETUP) dev browser
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python $(BIN)/lint-imports
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy tools/*.py examples/*.py

format: ## Format the code and mend what ruff can mend
	@$(SETUP) dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: ## Measure submissions and reads per second against FastAPI and Starlette, start-up and memory
	@$(SETUP)
	@$(BIN)/python -m benchmarks.api

bench-in-flight: ## Ten thousand jobs in flight: how fresh, what it costs. Others: ARGS="--jobs 1000 --finished 0"
	@$(SETUP)
	@$(BIN)/python -m benchmarks.in_flight $(ARGS)

bench-peers: ## Measure Rushes against FastAPI with Celery and with Huey, and what 100 submissions a second cost it
	@$(SETUP) dev bench-peers
	@$(BIN)/python -m benchmarks.peers
	@$(BIN)/python -m benchmarks.submissions

bench-gpu: ## Measure video models on this machine's GPU against plain diffusers. Without one: ARGS=--tiny
	@$(PYTHON) tools/engines_env.py
	@.venv-engines/bin/python -m benchmarks.gpu $(ARGS)

bench-export: ## Measure EXPORT against the encoder's limit, ffmpeg by hand, MoviePy and editly. Shorter: ARGS=--quick
	@$(SETUP) dev
	@$(BIN)/python -m benchmarks.export $(ARGS)

campaign: ## Thousands of jobs, hundreds of kills, every fault: minutes. Again: make campaign ARGS="--seed 7"
	@$(SETUP) dev
	@$(BIN)/python -m tests.campaign $(ARGS)

test-security: ## The threat model's tests, hostile inputs through the whole worker among them. The long form: ARGS="-m ''"
	@$(SETUP) dev
	@$(BIN)/python -m pytest tests/security -m "not nightly" $(ARGS)

fuzz: ## Fuzz the API, caption escaper, timeline parser and subtitle readers, a minute each. Longer: ARGS="--seconds 3600"
	@$(SETUP) dev fuzz
	@$(BIN)/python -m tests.fuzz $(ARGS)

soak: ## Mixed jobs and faults for a minute; then nothing may have grown or stayed. Longer: ARGS="--seconds 3600"
	@$(SETUP) dev
	@$(BIN)/python -m tests.soak $(ARGS)

openapi: ## Write the API's description to docs/openapi.json
	@$(SETUP)
	@$(BIN)/rushes openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

# Node 20 or newer: this machine's own, else one from PyPI in .boot/node.
WITH_NODE = node=$$($(PYTHON) tools/node_env.py) && export PATH="$$node:$$PATH"
IN_CLIENT = $(WITH_NODE) && cd clients/typescript && npm ci --ignore-scripts
IN_EXAMPLE = $(WITH_NODE) && cd clients/electron-example && npm ci --ignore-scripts

client: ## Check and build the TypeScript client, and pack it for npm install
	@$(IN_CLIENT) && npm run check && npm pack --silent

test-client: ## Check, build and test the TypeScript client and the Electron example, against real servers, in Node and Chromium
	@$(SETUP) dev
	@$(IN_CLIENT) && npm run check && npm test
	@$(IN_EXAMPLE) && npm run check && npm test

chromium: ## Install the Chromium that test-browser plays films in; by apt, as root
	apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium

clean: ## Remove set-up, caches and the demo's files; jobs and films in data/ stay
	rm -rf .venv .venv-engines .boot data/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
