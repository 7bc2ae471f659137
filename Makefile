# What a developer runs. Needs Python 3.11 or newer and make, nothing else.

PORT ?= 8000
ARGS ?=
WORKERS ?= 2
KILLS ?= 200
SEEDS ?= 50
FIRST ?= 0
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)
RUN := .venv/bin/python
WITH_POSTGRES := $(RUN) tools/with_postgres.py

# Recipes end in exec so that a signal to make reaches the command, not a shell before it.

.PHONY: help environment demo demo-reset test soak crash bench lock
.PHONY: check check-types check-style check-schema check-repository

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

environment: ## make .venv, or bring it up to date
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found: install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) tools/environment.py

demo: environment ## serve the sample school on http://127.0.0.1:8000 (PORT=8001 changes it)
	@exec $(RUN) tools/demo.py --port "$(PORT)"

demo-reset: environment ## forget the demo's data and start it afresh
	@exec $(RUN) tools/demo.py --port "$(PORT)" --reset

test: environment ## run the tests, WORKERS=2 at a time (ARGS="tests/test_x.py -k y" for some of them)
	@exec $(WITH_POSTGRES) $(RUN) -m pytest --numprocesses "$(WORKERS)" --dist worksteal $(ARGS)

soak: environment ## play SEEDS=50 times twenty random schools, and twenty windows, beside the model, from the seed FIRST=0 on
	@exec env LEDGER_SCHOOLS=20 LEDGER_SEEDS="$(SEEDS)" LEDGER_WINDOWS="$$((20 * $(SEEDS)))" LEDGER_FIRST="$(FIRST)" $(WITH_POSTGRES) $(RUN) -m pytest --numprocesses 2 --dist load -q tests/test_model.py tests/test_any_window.py $(ARGS)

crash: environment ## kill the server and the database KILLS=200 times under load, and see that nothing is lost
	@exec $(RUN) -m tests.crash --kills "$(KILLS)" $(ARGS)

bench: environment ## measure, beside what anybody knows, into benchmarks/results.md (ARGS="sheet" for one part)
	@exec env PYTHONPATH=tools $(RUN) -m benchmarks $(ARGS)

# Two at a time: the type checker takes longest, and uses one processor.
check: environment ## run the linters, the type checker and what else can be said without the tests
	@$(MAKE) --jobs 2 check-types check-style check-schema check-repository

check-types:
	DEBUG=1 .venv/bin/mypy

check-style:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/djhtml --check --tabwidth 2 templates

check-schema:
	$(WITH_POSTGRES) sh -c '$(RUN) manage.py makemigrations --check --dry-run && $(RUN) manage.py check --fail-level WARNING'

check-repository:
	DEBUG=1 $(RUN) -m pytest -q tests/test_layering.py tests/test_repository.py

# uv is not among our dependencies: `pip install uv` where you lock. No header and no index
# options, so that no address of a package index gets into the repository.
LOCK := uv pip compile --generate-hashes --no-header --universal --python-version 3.11
lock: ## resolve the dependencies of pyproject.toml anew (ARGS=--upgrade for newer versions)
	$(LOCK) pyproject.toml $(ARGS) --output-file requirements.txt > /dev/null
	$(LOCK) pyproject.toml $(ARGS) --group dev --constraints requirements.txt --output-file requirements-dev.txt > /dev/null
	$(LOCK) benchmarks/requirements.in $(ARGS) --constraints requirements.txt --output-file benchmarks/requirements.txt > /dev/null
