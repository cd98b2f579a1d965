# Everything runs in .venv, which the first command makes. Python 3.11 or newer is all it needs.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test lint bench clean

demo: $(VENV)/.installed
	rm -rf demo-run
	$(BIN)/rayfield demo -o demo-run

test: lint
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy benchmarks --allow-untyped-defs --no-warn-unused-ignores \
		--disable-error-code=arg-type --disable-error-code=assignment \
		--disable-error-code=dict-item --disable-error-code=var-annotated

bench: $(VENV)/.installed
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) demo-run

# torch first, by its exact version: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu in the
# environment takes the wheel without CUDA, a tenth of the size, where that index can be reached.
$(VENV)/.torch: constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt "$(TORCH)"
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@
