# make demo   run a whole farm on this machine: cloud, dashboard, a hub, four virtual printers, a print under way
# make test   set everything up and run all tests
# make help   the rest

BIN := .venv/bin
PYTEST_WORKERS ?= 3

.PHONY: help setup demo test lint format types bench migrate firmware flash lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

demo: ## run a whole farm on this machine (Ctrl-C ends it and leaves nothing behind)
	@tools/setup.sh farm
	@$(BIN)/python -m tools.demo

setup: ## install everything a developer needs into .venv
	@tools/setup.sh dev
	@$(BIN)/python -m tools.dashboard build

test: setup ## run all tests; ARGS="-k tunnel" to choose
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -q $(ARGS)

lint: setup ## ruff, mypy for the cloud side and for the firmware, the dashboard's types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m tools.firmware_types
	@$(BIN)/python -m tools.dashboard check

format: setup ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: setup ## generate the dashboard's types from the API's OpenAPI document
	@$(BIN)/python -m tools.dashboard types

bench: setup ## run every benchmark; ARGS="latency" to choose
	@$(BIN)/python -m tools.bench $(ARGS)

migrate: ## move a farm from the Raspberry Pi; ARGS="--from tenant.db --files files" looks, with --apply it moves
	@tools/setup.sh farm
	@$(BIN)/python -m tools.migrate $(ARGS)

firmware: setup ## compile the hub's application into build/hub
	@$(BIN)/python -m tools.build_firmware

flash: setup ## make a board a hub, with identity and label; PORT=/dev/ttyACM0, ARGS="--host https://... --label DIR", ARGS=--help
	@$(BIN)/python -m tools.flash $(if $(PORT),--port $(PORT)) $(ARGS)

lock: ## renew the lock files from pyproject.toml (after make setup)
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --extra dev pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --extra farm -c requirements-dev.lock pyproject.toml -o requirements-farm.lock

clean: ## remove everything that was built or installed
	rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis cloud/dashboard/node_modules cloud/dashboard/dist
