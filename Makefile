# One .venv serves every target.  It is (re)made only when requirements.lock or pyproject.toml changed since the last
# set-up that finished; see tools/setup.sh.

PYTHON ?=
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help report korea test validate bench docs lint lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

$(STAMP): requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" sh tools/setup.sh

report: $(STAMP)  ## run the shipped study and write its report to reports/published
	$(BIN)/bigpush-est run models/published.toml --out reports/published --resume --overwrite

korea: $(STAMP)  ## run the quantitative study and write its report to reports/korea
	$(BIN)/bigpush-est run models/korea.toml --out reports/korea --resume --overwrite

test: $(STAMP)  ## unit tests, the examples in docstrings and in the documentation, on all cores
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder

validate: $(STAMP)  ## the longer studies against known answers
	$(BIN)/python -m pytest -q -m validate

bench: $(STAMP)  ## run every benchmark in turn
	@for script in benchmarks/bench_*.py; do \
	  [ -e "$$script" ] || { echo "benchmarks/ holds no bench_*.py" >&2; exit 1; }; \
	  echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

# The variable silences the notice of the theme about its own end of life, which --strict has nothing to do with.
docs: $(STAMP)  ## build the documentation into site/, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: $(STAMP)  ## ruff (rules and format) and mypy --strict
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy --strict

# Pins stay unless pyproject.toml rules them out; `make lock UPGRADE=--upgrade` moves them.  Neither a configuration
# file nor an index of this machine may leak into the lock, so uv is told to read none.
lock:  ## write requirements.lock anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	env -u UV_INDEX -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
	  uv --no-config pip compile pyproject.toml --extra dev --extra docs --extra cluster --universal --python-version 3.12 \
	  --generate-hashes --no-header --no-annotate --quiet $(UPGRADE) --output-file requirements.lock

clean:  ## remove caches and built pages; .venv and reports stay
	rm -rf site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
