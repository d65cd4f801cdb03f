# One target per thing a person does here; each sets up what it needs.
PY := .venv/bin/python

.PHONY: setup run test check bench soak assurance lock clean

setup: .venv/.ready
	@scripts/build-web.sh

.venv/.ready: requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh requirements.lock
	@touch $@ .venv/.server

# To run it needs half of the packages.
.venv/.server: requirements-run.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh requirements-run.lock
	@touch $@

run: .venv/.server
	@scripts/build-web.sh
	.venv/bin/tailrace up $(if $(DEMO),--demo) $(ARGS)

test: setup
	@scripts/system-packages.sh
	@scripts/test.sh $(ARGS)

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@scripts/check-web.sh
	$(PY) -m pytest -q tests/test_tidy.py tests/test_docs.py \
	  tests/test_architecture.py tests/test_assurance.py

bench: setup
	$(PY) -m bench $(ARGS)

soak: setup
	@scripts/system-packages.sh
	@scripts/soak.sh $(ARGS)

# What the last runs of test, soak and bench said, into docs/assurance.md and docs/benchmarks.md.
assurance: setup
	$(PY) -m assurance

COMPILE := .venv/bin/pip-compile -q --generate-hashes --allow-unsafe --strip-extras \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra server --extra patterns \
  --extra clone

lock:
	$(COMPILE) --extra postgresql --extra frames --extra dev -o requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock -o requirements-run.lock pyproject.toml

clean:
	rm -rf .venv web/node_modules src/tailrace/ui/static
