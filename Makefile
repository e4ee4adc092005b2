# `make demo` and `make test` need only Python, a C++ compiler and the package registries.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all lint stubs bench clean

demo: $(STAMP)
	$(RUN)/same-track --demo --preview --out out/demo

test: lint
	$(RUN)/python -m pytest -m "not slow"

test-all: lint
	$(RUN)/python -m pytest

lint: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/clang-format --dry-run --Werror $$(git ls-files 'cpp/*.hpp' 'cpp/*.cpp' 'cpp/*.cu')

# Regenerates the type stubs of the C++ module; a test checks that they are current.
stubs: $(STAMP)
	$(RUN)/python cpp/generate_stubs.py same_runtime/_core.pyi

bench: $(STAMP)
	$(RUN)/python benchmarks/push_latency.py

clean:
	rm -rf $(VENV) build out

$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(shell find cpp -name '*.[ch]pp' 2>/dev/null)
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --upgrade pip
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
