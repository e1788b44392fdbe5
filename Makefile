# Needs only Python, and git for a few tests. `make` alone lists what there is.

PYTHON ?= python3
VENV ?= .venv
# most tests wait most of the time, so that two cores are enough for three
WORKERS ?= 3

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# a module stays on one worker, so that a rig is started once a worker at most; the modules with few tests, which
# take longest, are not left for the end
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder
PURE = tests/unit tests/schedulers tests/transports

help:
	@echo "make demo    install into $(VENV) and run one job on this machine"
	@echo "make test    the whole suite; as root on Debian also on a real sshd and a real Slurm"
	@echo "make check   format, lint, types, shell, pure tests: two minutes on two cores"
	@echo "make live    only what runs on a real sshd and a real Slurm"
	@echo "make bench   measure, side by side with the peers"
	@echo "make docs    write the reference pages anew and check them"
	@echo "make clean   remove what was built; $(VENV) stays"

$(VENV)/.made:
	@sh tools/make-venv "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.made
	$(PIP) -e .
	@touch $@

$(VENV)/.ready: pyproject.toml $(VENV)/.made
	$(PIP) -e '.[test]'
	@touch $@ $(VENV)/.installed

# a home of its own: the user's settings and list of jobs are not touched
demo: $(VENV)/.installed
	@bin=$$(cd $(BIN) && pwd) && home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && cd "$$home" && \
	export HOME="$$home" XDG_CONFIG_HOME="$$home/config" XDG_STATE_HOME="$$home/state" && \
	export XDG_DATA_HOME="$$home/data" XDG_CACHE_HOME="$$home/cache" && \
	echo "$$ jobferry run -- python3 -c 'print(6*7)'" && "$$bin/jobferry" run -- python3 -c 'print(6*7)' && \
	echo "$$ jobferry list" && "$$bin/jobferry" list

test: $(VENV)/.ready
	@sh tools/install-test-packages
	$(PYTEST)

live: $(VENV)/.ready
	@sh tools/install-test-packages
	$(PYTEST) -m live

check: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck src/jobferry/data/*.sh $$(grep -lE "^#!.*sh$$" .ci/* tools/*)
	$(PYTEST) -m 'not live' $(PURE)

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

docs: $(VENV)/.ready
	$(BIN)/python tools/build_docs.py

clean:
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: help demo test live check bench docs clean
