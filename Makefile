# Everything limelight's people run. A machine needs Python 3.11, make and git; nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# Every install of ours is held to the tested versions, isolated builds included: older pips read the
# first variable there, newer ones the second. Without pinning, a build would take the newest of all.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

# Compiling the bytecode of all of TensorFlow takes longer than importing the part that is used, so
# the first import does it, and writes it down: a shell that forbids that (images for containers set
# this variable) would compile it again, 18 seconds each time, in every process that tests start.
unexport PYTHONDONTWRITEBYTECODE

# A person sees the downloads go by; a log does not need them.
QUIET := $(shell test -t 2 || echo --quiet)
INSTALL := $(BIN)/python -m pip install $(QUIET) --no-compile -c constraints.txt
WEB := $(shell find web -name node_modules -prune -o -name test -prune -o -type f -print)
INPUTS := pyproject.toml constraints.txt hatch_build.py src/limelight/__init__.py $(WEB)

.PHONY: help demo test dev gen check bench docs build clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \t\2/p' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## train the worked cases on real data and watch them in TensorBoard (ARGS="--case mnist")
	@$(BIN)/limelight demo $(ARGS)

test: $(VENV)/.test ## all tests: Python, TypeScript, and the tab in a real browser (ARGS="-k entropy")
	@sh tools/browser.sh
	@$(BIN)/python tools/test.py $(ARGS)

check: $(VENV)/.dev ## style, types, import rules, front end, generated files
	@$(BIN)/python tools/check.py

gen: $(VENV)/.dev ## write what is made of the code: the contract with TypeScript, the stub of public names
	@$(BIN)/python tools/gen.py

dev: $(VENV)/.dev ## the demo, with the front end rebuilt on every save
	@sh tools/dev.sh $(BIN) $(ARGS)

bench: $(VENV)/.bench ## every figure beside its peer, written into docs/benchmarks.md
	@sh tools/browser.sh
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(VENV)/.docs ## the site, into site/
	@$(BIN)/python -m mkdocs build --strict --quiet
	@echo "The site is in site/index.html"

build: $(VENV)/.dev ## sdist and wheel, into dist/
	@$(BIN)/python -m build

clean: ## remove what the other commands made, the environment included
	rm -rf $(VENV) build dist site web/node_modules src/limelight/web

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "limelight needs Python 3.11 or later; '$(PYTHON)' is not. Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Making $(VENV) failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.demo: $(INPUTS) | $(BIN)/python
	@echo "Installing limelight and TensorFlow into $(VENV) (about 300 MB to download the first time) …"
	@$(INSTALL) -e '.[demo]'
	@touch $@

# Tests start several processes together, and each would compile the same code.
WARM := echo "Compiling what the tests import …"; \
  $(BIN)/python tools/warm.py 2>$(VENV)/.warm || { cat $(VENV)/.warm >&2; exit 1; }

# Keras-Hub would bring TensorFlow a second time, for its tokenizers, which no test of ours uses.
$(VENV)/.test $(VENV)/.dev $(VENV)/.bench $(VENV)/.docs: $(VENV)/.%: $(INPUTS) | $(BIN)/python
	@echo "Installing what 'make $*' needs into $(VENV) …"
	@$(INSTALL) -e '.[$*]'
	@$(if $(filter docs,$*),true,$(INSTALL) --no-deps keras-hub)
	@$(if $(filter docs,$*),true,$(WARM))
	@touch $@ $(if $(filter dev,$*),$(VENV)/.test) $(VENV)/.demo
