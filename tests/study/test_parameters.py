"""The parameters cell of a notebook: what is refused, and how it is said."""

import json
import subprocess
import sys

import nbformat
import pytest

from rag_study import data
from rag_study.common.errors import StudyError
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import active_run, parameters, plan
from rag_study.study.groups import Point
from rag_study.study.notebook_cells import notebook_parameters
from rag_study.study.stages import STAGES

FINE_TUNE = STAGES["fine_tune"].path


def point(stage="fine_tune", cells=(), **changes):
    """What the stage's notebook says with these parameters."""
    values = {**notebook_parameters(STAGES[stage].path), **changes}
    return parameters.read(STAGES[stage].path, {**values, "In": ["", *cells]}, Point)


@pytest.mark.parametrize(
    ("stage", "changes", "expected"),
    [
        (
            "fine_tune",
            {"training": {"train_sise": 16}},
            "training: unknown key 'train_sise'; did you mean 'train_size'?",
        ),
        (
            "fine_tune",
            {"training": {"train_size": "many"}},
            "training.train_size: input should be a valid integer, unable to parse string as an "
            "integer (given: 'many')",
        ),
        ("fine_tune", {"training": {"method": "lorra"}}, "did you mean 'lora'?"),
        ("fine_tune", {"training": "lora"}, "training: keys with values are needed"),
        ("fine_tune", {"training": {"method": "prompt_tuning", "strength": 0.5}}, "nothing betw"),
        (
            "index_corpus",
            {"dataset": {"name": "fictional", "num_wrlds": 84}},
            "dataset: unknown key 'num_wrlds'; did you mean 'num_worlds'?",
        ),
        ("index_corpus", {"dataset": {"name": "fictionl"}}, "did you mean 'fictional'?"),
        ("index_corpus", {"retrieval": {"chunk_size": 999}}, "retrieval: chunk_size 999"),
        ("index_corpus", {"retrieval": {"depth": 2}}, "fewer passages than top_k (3)"),
        ("index_corpus", {"compute": {"dtyp": "auto"}}, "compute: unknown key 'dtyp'; did you mea"),
        ("generate_answers", {"model": "random-lama"}, "model: 'random-lama' is not a preset"),
        ("generate_answers", {"answering": {"contexts": ["oracel"]}}, "did you mean 'oracle'?"),
        ("generate_answers", {"seed": -1}, "seed: input should be greater than or equal to 0"),
        ("judge_answers", {"judge": {"model": "random-llama", "samples": 2}}, "judge: samples:"),
        ("judge_answers", {"judge": {}}, "judge.model: the key 'model' is required"),
        (
            "index_corpus",
            {"retrieval": {"reranker": "cros"}},
            "retrieval.reranker: 'cros' is not a",
        ),
        ("index_corpus", {"retrieval": {"reranker": "http://h:1/v1#m"}}, "server does not rerank"),
        (
            "import_answers",
            {"system": {"name": "a/b", "answers": "a"}},
            "system.name: 'a/b': use letters, digits, spaces, dots, underscores and hyphens only",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(stage, changes, expected):
    with pytest.raises(StudyError) as caught:
        point(stage, **changes)
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_parameter_that_papermill_only_warns_of_is_refused():
    cell = "# Parameters\ntrainign = {'method': 'dora'}\nseed = 1\n"
    with pytest.raises(StudyError, match="unknown parameter 'trainign'; did you mean 'training'"):
        point(cells=["seed: int = 0\nother = 3", cell])
    assert point(cells=["other = 3"]).seed == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train_size", "'train_size'; it is a key of a group: training: {train_size: ...}"),
        ("compute_dtype", "a key of a group: compute: {dtype: ...}"),
        ("dataset_name", "a key of a group: dataset: {name: ...}"),
        ("sed", "did you mean 'seed'?"),
    ],
)
def test_names_of_version_0_1_are_told_their_group(name, expected):
    with pytest.raises(StudyError, match="unknown parameter") as caught:
        point(cells=[f"# Parameters\n{name} = 8\n"])
    assert expected in str(caught.value)


@pytest.fixture
def edited(tmp_path):
    """A copy of stage 03 with another parameters cell."""

    def write(source):
        notebook = nbformat.read(FINE_TUNE, as_version=4)
        (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
        cell.source = source
        nbformat.write(notebook, tmp_path / FINE_TUNE.name)
        return tmp_path / FINE_TUNE.name

    return write


def test_a_parameters_cell_may_compute_its_values(edited):
    file = edited("training = dict(train_size=2 + 2)\ntraining['epochs'] = 1\nmodel: str\n")
    assert notebook_parameters(file) == {"training": ..., "model": ...}
    namespace = {"training": {"train_size": 4, "epochs": 1}, "model": "random-llama"}
    assert parameters.read(file, namespace, Point).training.epochs == 1


@pytest.mark.parametrize(
    ("source", "namespace", "expected"),
    [
        ("seed = 1", {}, "'seed' is not set. Run the parameters cell first."),
        ("sed = 1", {"sed": 1}, "unknown parameter 'sed'; did you mean 'seed'?"),
        ("seed = = 1", {"seed": 1}, "the parameters cell is no Python in line 1"),
    ],
)
def test_a_parameters_cell_that_cannot_be_used(edited, source, namespace, expected):
    with pytest.raises(StudyError) as caught:
        parameters.read(edited(source), namespace, Point)
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("stage", "changes", "expected"),
    [
        ("fine_tune", {"training": {}}, "training: {} is the base model, which is not trained"),
        ("prepare_data", {"dataset": {}}, "dataset: the key 'name' is required"),
        ("import_answers", {"system": {}}, "system: the keys 'name' and 'answers' are required"),
        ("measure_retention", {"retention": 0}, "retention: 0 items are nothing to measure"),
        (
            "measure_retention",
            {"model": "http://h:1/v1#m", "training": {}},
            "model: retention is not measured of a model behind a server",
        ),
        (
            "generate_answers",
            {"model": "http://h:1/v1#m", "answering": {}},
            "training: a model behind a server is not trained here; give {}",
        ),
        ("compare", {"study_file": ""}, "study_file: the path of a study file is required"),
        (
            "import_answers",
            {"system": {"name": "a", "answers": "/"}},
            "system.answers: / is a folder; a file of JSON lines is needed",
        ),
    ],
)
def test_what_a_stage_cannot_do_without(stage, changes, expected):
    with pytest.raises(StudyError) as caught:
        plan.stage_run(stage, point(stage, **changes))
    assert str(caught.value) == expected


def test_more_questions_than_there_are_are_refused_before_anything_is_written(outputs):
    values = notebook_parameters(FINE_TUNE) | {"training": {"train_size": 10**6}}
    with pytest.raises(StudyError, match="train_size: 1,000,000 questions are asked for"):
        active_run.begin("fine_tune", values)
    assert not list(outputs.rglob("*"))


def test_of_another_system_the_model_beside_it_makes_no_difference(write_study, tmp_path):
    rows = [json.dumps({"id": q.id, "answer": "b"}) for q in data.load("fictional").questions]
    (tmp_path / "given.jsonl").write_text("\n".join(rows))
    system = {"name": "other", "answers": str(tmp_path / "given.jsonl")}
    planned = plan.expand(write_study(systems=[system]))
    (judged,) = [r for r in planned if r.stage.name == "judge_answers" and r.point.system]
    told = {**judged.parameters, "model": "smollm2-135m-instruct", "training": {"train_size": 9}}
    assert plan.stage_run("judge_answers", point("judge_answers", **told)).run_id == judged.run_id


def test_keys_left_out_take_the_defaults_of_the_study_file(write_study):
    tuning = [{"method": "dora", "train_size": 4}]
    planned = [r for r in plan.expand(write_study(fine_tuning=tuning)) if r.stage.name[0] == "f"]
    told = {name: planned[0].parameters[name] for name in ("dataset", "model", "compute")}
    told |= {"training": {"method": "dora", "train_size": 4}}
    by_hand = plan.stage_run("fine_tune", point(**told))
    assert [run.run_id for run in planned] == [by_hand.run_id]
    assert by_hand.point.training.learning_rate == pytest.approx(2e-4)
    assert plan.stage_run("generate_answers", point("generate_answers", training={})).point == (
        plan.stage_run("generate_answers", point("generate_answers", training={}, seed=3)).point
    )


@pytest.fixture
def papermill(tmp_path, outputs):
    """Run a stage's notebook as a person does in a shell; returns exit status, text, notebook."""

    def run(*options):
        done = tmp_path / "done.ipynb"
        command = [sys.executable, "-m", "papermill", str(FINE_TUNE), str(done), *options]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT)
        return ended.returncode, ended.stdout + ended.stderr, done

    return run


def test_a_mistake_is_one_line_in_the_notebook_and_in_the_shell(papermill):
    code, said, file = papermill("-y", "training: {train_sise: 4}", "--no-progress-bar")
    assert code == 1
    message = "training: unknown key 'train_sise'; did you mean 'train_size'?"
    assert message in said
    outputs = [o for c in nbformat.read(file, as_version=4).cells for o in c.get("outputs", [])]
    (error,) = [o for o in outputs if o["output_type"] == "error"]
    assert error["traceback"] == [message]


def test_papermill_lists_the_groups(papermill):
    code, said, _ = papermill("--help-notebook")
    assert code == 0
    for name, value in notebook_parameters(FINE_TUNE).items():
        assert f"{name}: {type(value).__name__}" in said
    assert "docs/fine-tuning.md" in said
    json.dumps(notebook_parameters(FINE_TUNE))
