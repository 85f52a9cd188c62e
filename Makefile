# Two commands for a newcomer: `make demo` and `make test`. Both set up everything they need first.
# DEMO_EXIT=1 ends after the summary; DEMO_PEOPLE and DEMO_DAYS set the size of the county.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HUB_CACHE ?= $(CURDIR)/.hub/cache
export HUB_CACHE

.PHONY: demo test docs setup machine lint clean

demo: setup
	@$(BIN)/hub demo

test: setup lint
	$(BIN)/pytest -q -n 2 --dist loadgroup

# The documentation as a site, in .hub/site; a dead link or a page that the navigation lacks stops it.
docs: $(VENV)/.installed
	$(BIN)/mkdocs build --strict -q
	@echo .hub/site/index.html

setup: machine $(VENV)/.installed

# Reinstalled when the lock changes, and only then.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps -e .
	@touch $@

# Java and Maven for the broker, Chromium for the browser tests. As root on Debian they are installed; otherwise said.
machine:
	@sh deploy/machine.sh

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hub contracts check
	@if grep -qs importlinter pyproject.toml .importlinter; then $(BIN)/lint-imports; fi

clean:
	-$(BIN)/hub down
	rm -rf .hub $(VENV)
