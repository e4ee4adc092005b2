# `make demo` and `make test` need only Python, a C++ compiler and the package registries: each
# makes its own virtual environment and installs what it needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
PIP_INSTALL := $(RUN)/python -m pip install --quiet --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(shell find cpp -name '*.[ch]pp')

.PHONY: demo test test-all lint stubs sanitize fuzz bench figures docs tensorrt-headers clean

demo: $(VENV)/.runtime-installed
	$(RUN)/same-track --demo --preview --out out/demo

test: lint
	@if command -v nvcc >/dev/null; then $(MAKE) --no-print-directory tensorrt-headers || true; fi
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test-all: lint
	$(RUN)/python -m pytest

lint: $(VENV)/.dev-installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/clang-format --dry-run --Werror $$(git ls-files 'cpp/*.hpp' 'cpp/*.cpp' 'cpp/*.cu*')

# Regenerates the type stub of the C++ module; a test checks that it is current.
stubs: $(VENV)/.dev-installed
	$(RUN)/python cpp/generate_stub.py

# The core's stress programs under ThreadSanitizer, then AddressSanitizer and UBSan; among them the
# whole tracker on recordings with every fault of the table.
FAULTS := build/faults
sanitize: $(VENV)/.dev-installed
	$(RUN)/python tests/support/write_fault_recordings.py $(FAULTS)
	for sanitizer in tsan asan; do \
	  PATH="$(CURDIR)/$(RUN):$$PATH"; \
	  cmake --preset $$sanitizer -DSAME_FAULT_RECORDINGS="$(CURDIR)/$(FAULTS)" && \
	  cmake --build --preset $$sanitizer && ctest --preset $$sanitizer || exit 1; \
	done

# The core's edge under libFuzzer for a minute; needs Clang. What it falls over lies in build/fuzz.
fuzz: $(VENV)/.dev-installed
	PATH="$(CURDIR)/$(RUN):$$PATH"; \
	cmake --preset fuzz && cmake --build --preset fuzz && mkdir -p build/fuzz/inputs && \
	cd build/fuzz && ./core_fuzz -max_total_time=60 -max_len=4096 -timeout=10 inputs

bench: $(VENV)/.dev-installed
	$(RUN)/same-bench push

# Draws the README's latency picture and table from the report of record, and its moving picture.
figures: $(VENV)/.dev-installed demo
	$(RUN)/same-bench figures
	cp out/demo/preview.webp docs/images/tracked.webp

# The documentation site, in out/site; a broken link stops it.
docs: $(VENV)/.dev-installed
	NO_MKDOCS_2_WARNING=1 $(RUN)/python -m mkdocs build --strict

# Headers with which the tests build the native TensorRT plugin where no SDK is installed.
TENSORRT_HEADERS := build/tensorrt-headers/NvInfer.h
tensorrt-headers: $(TENSORRT_HEADERS)

$(TENSORRT_HEADERS): cpp/cuda/fetch_headers.sh | $(VENV)/.dev-installed
	cpp/cuda/fetch_headers.sh $(RUN)/pip $(@D)
	touch $@

clean:
	rm -rf $(VENV) build out

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --upgrade pip

$(VENV)/.runtime-installed: $(SOURCES) | $(VENV)/bin/python
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/.dev-installed: $(SOURCES) | $(VENV)/bin/python
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.runtime-installed
