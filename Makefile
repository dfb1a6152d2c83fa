# Two commands are all anybody needs: `make serve` and `make test`.
# Both build .venv by themselves; pip needs no compiler (every dependency has wheels).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := hubbub server supervisor loadtest tests


.PHONY: bench serve test faults mutations conformance conformance-all system lint format clean
.DELETE_ON_ERROR:

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Hubbub needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	$(BIN)/pip install --quiet --group dev
	@touch $@

serve: $(VENV)/installed
	@exec $(BIN)/hubbub serve $(ARGS)

lint: $(VENV)/developed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy hubbub

format: $(VENV)/developed
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

test: lint system
	$(BIN)/pytest $(ARGS)

# What tests want beside Python, where it may be installed.
system:
	@tests/system-packages.sh

# Every fault scenario at its full size; one of them: make faults ARGS="-k s5_".
faults: $(VENV)/developed
	$(BIN)/pytest tests/faults -m fault $(ARGS)

# Switches off one protection at a time, in a copy, and wants a test to turn red for
# each: some 16 minutes (docs/mutations.md); make mutations ARGS="--only outbox".
mutations: $(VENV)/developed
	@$(BIN)/python -m tests.faults.mutations $(ARGS)

# Autobahn: 349 of 517 cases in 80 s; make conformance ARGS="--groups 6" for one
# group. conformance-all: every case, in some ten minutes.
conformance: $(VENV)/developed
	@$(BIN)/python -m tests.conformance.run $(ARGS)

conformance-all: $(VENV)/developed
	@$(BIN)/python -m tests.conformance.run --all

# Figures beside their floors, then beside peers: four minutes (docs/benchmarks.md);
# make bench ARGS="--only room,pingpong --seconds 5" for some of them, --peers all (or
# ws,nchan) for the comparison alone.
bench: $(VENV)/installed
	@$(BIN)/python -m hubbub.loadtest.bench $(ARGS)

clean:
	rm -rf $(VENV) .conformance .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench
