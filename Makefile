# Needs only make, python3 (3.11 to 3.13) and pip. Everything is installed into .venv; nothing outside changes.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup checked engine test bench test-browser test-faults test-servers lab api reproduce notebooks lint lock clean FORCE

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.stamp
ENGINE := $(VENV)/.engine
SERVERS := .venv-servers

PYTHON ?=
PRESET ?= fast
MODEL ?= simulated
YES ?=
ARGS ?=
CELL_TIMEOUT ?= 900

# uv trusts what the system trusts, as pip does; without a writable cache it works without one.
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Each is tried, not looked up: a shim on PATH may stand for a version that is not installed.
define FIND_PYTHON
set -- python3.12 python3.13 python3.11 python3; \
[ -z "$(PYTHON)" ] || set -- "$(PYTHON)"; \
py=; for p in "$$@"; do \
    "$$p" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
        >/dev/null 2>&1 && py=$$p && break; \
done; \
[ -n "$$py" ] || { echo "No usable Python among: $$*. Install Python 3.11, 3.12 or 3.13," \
    "or name one: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
endef

# A moved checkout, a vanished interpreter or another PYTHON= than last time makes the environment stale.
STALE := $(shell [ -x $(PY) ] && [ "$$(sed -n 1p $(STAMP) 2>/dev/null)" = "$$(pwd -P)" ] \
    && { [ -z "$(PYTHON)" ] || [ "$$(sed -n 2p $(STAMP))" = "$(PYTHON)" ]; } || echo FORCE)

# The kernel named python3 is this environment's, whatever the user's own Jupyter has registered.
RUN = JUPYTER_PATH="$$(pwd -P)/$(VENV)/share/jupyter" $(PY)

help:  ## show this help
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "e.g. make reproduce PRESET=full MODEL=openai:gpt-4o-mini; make setup PYTHON=python3.13"

setup: $(STAMP)  ## install everything into .venv (again only when the lock or pyproject.toml changed)

$(STAMP): requirements.lock pyproject.toml $(STALE)
	@rm -f $@; $(FIND_PYTHON); \
	echo "Setting up $(VENV) with $$("$$py" --version) ..."; \
	"$$py" -m venv --clear --without-pip $(VENV) || exit 1; \
	mkdir -p "$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$${HOME:-/dev/null}/.cache}/uv}" 2>/dev/null \
	    || export UV_NO_CACHE=1; \
	pip() { \
	    if "$$py" -m pip --version >/dev/null 2>&1; then "$$py" -m pip --python $(PY) "$$@"; \
	    else command pip --python $(PY) "$$@"; fi; \
	}; \
	uv=uv; \
	$$uv --version >/dev/null 2>&1 || { \
	    awk '/^[a-z]/ {on = /^uv==/} on' requirements.lock > $(VENV)/uv.txt; \
	    pip install -q --require-hashes --no-deps -r $(VENV)/uv.txt; \
	    uv=$(VENV)/bin/uv; \
	}; \
	if $$uv pip install -q --python $(PY) --compile-bytecode --require-hashes -r requirements.lock; then \
	    $$uv pip install -q --python $(PY) --no-deps --no-build-isolation -e .; \
	else \
	    echo "uv could not install the lock; trying pip, which takes longer ..." >&2; \
	    pip install -q --require-hashes -r requirements.lock \
	    && pip install -q --no-deps --no-build-isolation -e .; \
	fi || exit 1; \
	{ pwd -P; echo "$(PYTHON)"; } > $@.new && mv $@.new $@ \
	&& echo "Done. Next: make lab, make test or make reproduce."

# ALFWorld's engine is optional. Nothing here stops a test or a reproduction: without the engine one line says
# why, and what needs it is left out. It is compiled once; uv keeps the result in its cache.
engine: $(STAMP)  ## install ALFWorld's game engine, where there is a C++ compiler (1 to 2 minutes once)
	@if [ -f $(ENGINE) ] && ! [ requirements-alfworld.lock -nt $(ENGINE) ]; then exit 0; fi; \
	without="ALFWorld games are left out:"; \
	for tool in $${CXX:-c++} make; do command -v "$$tool" >/dev/null 2>&1 \
	    || { echo "$$without the engine has to be compiled and there is no $$tool (Debian: apt install g++ make)."; exit 0; }; \
	done; \
	echo "Installing ALFWorld's engine; compiling it takes 1 to 2 minutes the first time ..."; \
	if env MAKEFLAGS="-j$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)" MAKELEVEL= MFLAGS= \
	    $(VENV)/bin/uv pip install -q --python $(PY) --no-deps --require-hashes --compile-bytecode \
	    --build-constraints requirements-alfworld.lock -r requirements-alfworld.lock >$(VENV)/engine.log 2>&1 \
	    && $(PY) -c 'from fgo_kit.benchmarks.alfworld.engine import Worker; Worker().kill()' 2>>$(VENV)/engine.log; \
	then touch $(ENGINE); \
	else echo "$$without installing the engine failed, see $(VENV)/engine.log."; fi

test: $(STAMP) engine  ## run the whole test suite, notebooks included (ARGS="-k name" picks)
	@$(RUN) -m pytest --nbmake --nbmake-timeout=$(CELL_TIMEOUT) tests $(wildcard notebooks) $(ARGS)

test-faults: $(STAMP)  ## bring about every kind of fault in full, half an hour, and write tests/faults/README.md
	@$(RUN) tests/faults/table.py $(ARGS)

bench: $(STAMP)  ## measure speed beside GEPA and DSPy, 25 minutes, and write paper_figures/bench.md (ARGS="log" picks a part, "scale" one more)
	@$(RUN) tests/bench/bench.py $(ARGS)

test-browser: $(STAMP)  ## drive the notebooks in JupyterLab with an installed Chromium (CHROMIUM=/path names one)
	@$(RUN) -m pytest -m browser tests/browser $(ARGS)

# In an environment of their own: they ask for other versions than the lock. llama.cpp is compiled, once.
$(SERVERS)/.stamp: tests/servers/requirements.txt $(STAMP)
	@rm -rf $(SERVERS) && $(VENV)/bin/uv venv -q --python $(PY) $(SERVERS) \
	&& echo "Installing the servers; compiling llama.cpp takes 2 to 5 minutes the first time ..." \
	&& CMAKE_ARGS="-DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF" nice $(VENV)/bin/uv pip install -q --python $(SERVERS)/bin/python -r $< && touch $@

test-servers: $(SERVERS)/.stamp  ## ask servers that others wrote: LiteLLM's proxy, llama.cpp (a C++ compiler is needed)
	@$(RUN) -m pytest -m servers tests/servers $(ARGS)

lab: $(STAMP)  ## open the notebooks in JupyterLab (ARGS= are its options)
	@$(RUN) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks $(ARGS)

checked: $(STAMP)
	@$(RUN) -m fgo_kit.reproduce --check --preset "$(PRESET)" --model "$(MODEL)"

reproduce: $(STAMP) checked engine  ## run every notebook and write the figures (PRESET=fast|full|pilot MODEL=simulated YES=1)
	@$(RUN) -m fgo_kit.reproduce --preset "$(PRESET)" --model "$(MODEL)" $(if $(filter 1 y yes true,$(YES)),--yes) $(ARGS)

notebooks: $(STAMP)  ## run the notebooks in place, so that they are committed with fresh outputs
	@FGO_HEADLESS=1 $(RUN) -m nbconvert --to notebook --execute --inplace \
	    --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False notebooks/*.ipynb

lint: $(STAMP)  ## check the style of code and notebooks, and the types of the core
	$(PY) -m ruff check .
	$(PY) -m basedpyright

api: $(STAMP)  ## write API.md from the docstrings
	@$(RUN) tests/api_page.py > API.md

$(VENV)/bin/uv:
	@$(MAKE) --no-print-directory setup

# Only uv itself is needed here, not an environment that matches the lock about to be replaced.
lock: $(VENV)/bin/uv  ## pin newer versions in the two locks (ARGS="--upgrade" or "-P numpy")
	$(VENV)/bin/uv pip compile -q pyproject.toml --extra test --group build --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url -o requirements.lock $(ARGS)
	$(VENV)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]\
	["optional-dependencies"]["alfworld"], sep="\n")' | $(VENV)/bin/uv pip compile -q - -c requirements.lock \
	    --no-deps --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url -o requirements-alfworld.lock $(ARGS)

clean:  ## remove .venv, caches, fast figures and data/runs with its call logs; never paper_figures/*.*
	rm -rf $(VENV) $(SERVERS) data/runs paper_figures/fast .pytest_cache .ruff_cache .hypothesis build dist
	find . -name .git -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +
