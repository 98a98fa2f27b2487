# Everything is done in .venv; only Python (3.11 or newer) and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python index.py
# Test runs in parallel on all cores but no more than four.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo $$n)

# On a machine that is busy with other work a test that waits for something may be late: it is run
# again, and shown as such.
AGAIN ?= --reruns 2 --reruns-delay 1

.PHONY: run test check unit e2e demo bench quality soak docs lock clean
.DEFAULT_GOAL := run

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MLIDS needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

run: $(VENV)/.installed  ## install and watch this machine until Ctrl-C
	@$(RUN) start

test: check unit e2e  ## lint, types, import contracts and all tests

check: $(VENV)/.installed-dev  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev  ## unit tests, in parallel
	$(BIN)/python -m pytest -n $(JOBS) $(AGAIN) -m "not slow" tests

e2e: $(VENV)/.installed-dev  ## end-to-end tests: real tools, real sockets, one at a time
	$(BIN)/python -m pytest $(AGAIN) -m slow -rsR tests

demo: $(VENV)/.installed  ## make small recordings with attacks in them, and scan them
	@$(BIN)/python examples/recordings.py examples/recordings
	@echo
	@$(RUN) scan examples/recordings; test $$? -le 1

bench: $(VENV)/.installed-dev  ## speed and memory, as ratios in one run
	$(BIN)/python -m benchmarks

quality: $(VENV)/.installed-dev  ## detection quality on labelled cases
	$(BIN)/python -m benchmarks.quality

soak: $(VENV)/.installed-dev  ## long runs
	$(BIN)/python -m benchmarks.soak

docs: $(VENV)/.installed-dev  ## generate config.yaml and the reference
	$(BIN)/python -m docs.generate

lock: $(VENV)/.installed-dev  ## resolve the dependencies anew
	$(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev -o requirements-dev.lock

clean:  ## remove what make made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
