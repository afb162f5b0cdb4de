# Needs Python 3.11 or newer and pip, nothing else. Everything is installed into .venv, from the
# package index alone, with every file's hash checked. Where node and npm are, tests meet strangers
# too, in .strangers, and where Chromium is, they look at the pages; elsewhere these are skipped, and
# say so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
DATA_DIR ?= whimbrel-data
PORT ?= 8080

.PHONY: demo test screenshots simulate chaos check format lint types contracts docs docs-check locks bench clean

demo: $(VENV)/run.stamp  ## gateway, sandbox and a demo Partner on SQLite
	@$(BIN)/whimbrel demo --data-dir $(DATA_DIR) --port $(PORT)

test: $(VENV)/dev.stamp  ## all tests
	$(BIN)/python -m pytest $(TEST_OPTIONS)

# Two processes more than there are cores, since many tests wait for others. Each takes whole files,
# whose tests may share a gateway, in the order of tests/conftest.py: what takes long comes first.
TEST_OPTIONS := --numprocesses auto --dist loadfile --no-loadscope-reorder

screenshots: $(VENV)/dev.stamp  ## take the pictures of the documentation anew
	WHIMBREL_SCREENSHOTS=$(CURDIR)/docs/screenshots $(BIN)/python -m pytest -q tests/browser/test_every_page.py

simulate: $(VENV)/dev.stamp  ## fixed seeds, then new ones, which are printed
	$(BIN)/whimbrel simulate --days 0.5 --jobs 2 --seconds 30 --seed 1 --seeds 100
	$(BIN)/whimbrel simulate --days 0.5 --jobs 2 --seconds 40 --seeds 300

check: lint types contracts docs-check test simulate  ## what CI runs

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix-only src tests bench tools
	$(BIN)/ruff format src tests bench tools

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools

types: $(VENV)/dev.stamp
	$(BIN)/mypy

contracts: $(VENV)/dev.stamp  ## which module may import which
	$(BIN)/lint-imports

docs: $(VENV)/dev.stamp  ## write what is generated from the code
	$(BIN)/python -m tools.generate_docs

docs-check: $(VENV)/dev.stamp
	$(BIN)/python -m tools.generate_docs --check

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench.accept
	$(BIN)/python -m bench.journey
	$(BIN)/python -m bench.smpp_wire

CHAOS ?= --messages 50000 --seconds 600 --every 12
chaos: $(VENV)/dev.stamp  ## kill, stop and cut off real processes under load, then audit
	$(BIN)/python -m tests.chaos --engine postgres $(CHAOS)
	$(BIN)/python -m tests.chaos --engine sqlite $(CHAOS)

locks: $(VENV)/dev.stamp  ## pin the newest versions that pyproject.toml allows
	$(BIN)/pip-compile $(LOCK_OPTIONS) --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK_OPTIONS) --extra test --extra dev --output-file requirements-dev.lock pyproject.toml
	echo 'flit_core>=3.12,<4' | $(BIN)/pip-compile $(LOCK_OPTIONS) --output-file requirements-build.lock -

LOCK_OPTIONS := --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean:
	rm -rf $(VENV) .strangers

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Whimbrel needs Python 3.11 or newer; name it with: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(VENV)/bin/python requirements.lock requirements-build.lock
	$(PIP) install --require-hashes -r requirements-build.lock -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
