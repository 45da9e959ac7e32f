# Needs make and Python 3.11 or newer; `make help` lists what there is.
# One virtual environment, made from pinned and hashed requirements, serves every target.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
SERVER ?= sandbox
FHIR ?= R4
PORT ?= 8080
INTERVAL_MS ?= 500
RESTHOOK ?= true
SECONDS ?= 90
SEED ?= 1
DOWN ?=
MINUTES ?= 20

BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest

# Folders that start servers or build things. Everything else under tests/ is the fast suite.
SLOW := tests/contract tests/journeys tests/services tests/package tests/operate
FAST := tests $(addprefix --ignore=,$(SLOW))

# Every target is a name, not a file; the environment is the one file that is made.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

.PHONY: help demo test lint types sockets lives contract journeys services chaos package compose image-steps operate \
	compiled test-compiled bench hapi check lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The locks are complete, so nothing is resolved again (--no-deps): a resolver would prefer a newer
# release of what another package asks for with an extra, and then refuse it for want of a hash.
$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(READY)  ## the whole story on embedded servers, nothing else needed
	@$(BIN)/fhirbridge demo

test: $(READY)  ## the fast suite: no sockets, seconds
	$(PYTEST) $(FAST) -m "not sockets and not lives" --disable-socket --allow-unix-socket --numprocesses auto --dist worksteal

# The core is pure: what no test of it reaches is either missing a test or not needed.
CORE := tests/core tests/scenarios tests/properties
coverage: $(READY)  ## every branch of the core is reached by its own tests
	$(PYTEST) $(CORE) --disable-socket --allow-unix-socket --numprocesses auto --dist worksteal \
		--cov=fhirbridge.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

# Hours for the whole core. A part: MUTANTS='fhirbridge.core.plan.*'; one change in ten: MUTANTS='*7'. What
# was measured is kept in mutants/ and goes on where it was stopped. docs/testing.md has the score.
MUTANTS ?=
mutants: $(READY)  ## change the core here and there: which changes does no test notice? Not part of check
	$(BIN)/mutmut run $(MUTANTS)
	@$(BIN)/mutmut results | grep -v "not checked" || echo "every change was noticed"

lint: $(READY)  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy
	$(BIN)/mypy

# pytest answers 5 when nothing carries the mark: the only folder set that may be empty.
sockets: $(READY)  ## tests of the fast folders that open sockets
	$(PYTEST) $(FAST) -m sockets || [ $$? -eq 5 ]

lives: $(READY)  ## tests of the fast folders that play a site through many decisions
	$(PYTEST) $(FAST) -m lives --disable-socket --allow-unix-socket --numprocesses auto --dist worksteal

contract: $(READY)  ## what a FHIR server does: SERVER=sandbox | hapi | sekmet
	SERVER=$(SERVER) $(PYTEST) tests/contract

journeys: $(READY)  ## fixtures in, Tasks and Communications out: SERVER=sandbox | hapi
	SERVER=$(SERVER) $(PYTEST) tests/journeys

services: $(READY)  ## with a real Redis and a real PostgreSQL, started for the tests
	$(PYTEST) tests/services

chaos: $(READY)  ## everything is killed at random, nothing is lost: SECONDS=90 SEED=1 DOWN=27
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED) $(if $(DOWN),--down $(DOWN))

soak: $(READY)  ## steady load with faults; what grows without bound fails: MINUTES=20. Not part of check
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) --seed $(SEED)

operate: $(READY)  ## sign-in, doctor, upgrades: against real servers that are set up badly
	$(PYTEST) tests/operate

package: $(READY)  ## the wheel alone in an empty environment
	$(PYTEST) tests/package

sbom: $(READY)  ## what the image is made of, as CycloneDX: dist/sbom.json (for a scanner, too)
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements/base.txt --pyproject pyproject.toml \
		--output-reproducible --validate --of JSON --output-file dist/sbom.json

ADVISORIES ?=
audit: $(READY)  ## known vulnerabilities of what is pinned, by OSV: ADVISORIES=all.zip offline
	$(BIN)/python scripts/audit.py $(if $(ADVISORIES),--advisories "$(ADVISORIES)")

compose: ## docker-compose.yml is valid (no engine needed)
	docker-compose --file docker-compose.yml config --quiet

image-steps: $(READY)  ## the steps of the Dockerfile, run without Docker
	$(BIN)/python scripts/dockerfile_steps.py

labeled: $(READY)  ## thousands of labeled journeys; the fast suite plays hundreds of them
	FHIRBRIDGE_TEST_FORMS=40 $(PYTEST) tests/labeled tests/cases

# A copy of the package with core and reader compiled by mypyc, as the image has it; src/ stays Python.
# Made beside the old one, which it replaces when it is whole. The stamp is of the beginning: what is
# changed meanwhile is compiled the next time.
COMPILED := build/compiled
$(COMPILED)/.ready: $(READY) scripts/compile.py scripts/spell_out.py $(shell find src/fhirbridge -name '*.py')
	@mkdir -p build && new=$$(mktemp -d $(COMPILED).XXXXXX) && trap 'rm -rf "$$new"' EXIT && touch "$$new/.ready" && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --target "$$new" . && \
	$(BIN)/python scripts/compile.py "$$new" && \
	rm -rf $(COMPILED) && mv "$$new" $(COMPILED)

compiled: $(COMPILED)/.ready  ## core and reader compiled, in build/compiled (needs a C compiler and two minutes)

test-compiled: compiled  ## the compiled core and reader give what the sources give
	@PYTHONPATH=$(COMPILED) $(BIN)/python -c "import fhirbridge.core.booking as core, fhirbridge.fhir.read.page as page; assert (core.__file__ + page.__file__).count('.so') == 2"
	PYTHONPATH=$(COMPILED) $(PYTEST) tests/core tests/scenarios tests/fhir tests/by_hand tests/labeled tests/properties/test_ledger.py tests/properties/test_read.py tests/test_fixtures.py -m "not sockets and not lives"

bench: $(READY)  ## ratios, measured in one run
	@$(MAKE) --no-print-directory compiled || echo "the core cannot be compiled here: its rows are left out" >&2
	$(BIN)/python -m benchmarks

bench-long: $(READY)  ## what takes minutes: memory and disk after a million events
	$(BIN)/python -m benchmarks memory

scale: $(READY)  ## 1, 2, 4 workers and two web doors on PostgreSQL and Redis: the curve, and its bound
	$(BIN)/python -m benchmarks scale

hapi:  ## a real HAPI in the foreground: FHIR=R4|R4B|R5 PORT= DATA=file INTERVAL_MS= RESTHOOK=true|false
	sandbox/hapi/run --port $(PORT) --fhir $(FHIR) --interval-ms $(INTERVAL_MS) --resthook $(RESTHOOK) $(if $(DATA),--data "$(DATA)")

check:  ## everything that CI runs, each step timed
	scripts/check

# `--universal`: one lock for every Python from 3.11 on and every system, with markers where they differ.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links
lock: $(READY)  ## pin the requirements again (UPGRADE=--upgrade for newer versions)
	$(LOCK) $(UPGRADE) -o requirements/base.txt pyproject.toml
	$(LOCK) $(UPGRADE) -c requirements/base.txt --extra otel -o requirements/otel.txt pyproject.toml
	$(LOCK) $(UPGRADE) -o requirements/build.txt requirements/build.in
	$(LOCK) $(UPGRADE) -c requirements/build.txt -o requirements/compiled.txt requirements/compiled.in
	$(LOCK) $(UPGRADE) -c requirements/base.txt -c requirements/build.txt -c requirements/compiled.txt -c requirements/otel.txt --extra otel -o requirements/dev.txt pyproject.toml requirements/dev.in
	$(LOCK) $(UPGRADE) -o requirements/sekmet.txt requirements/sekmet.in

clean:  ## forget the environment and all caches in this folder
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
