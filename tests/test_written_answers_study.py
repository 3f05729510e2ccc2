"""Training on another model's answers, by the cells of the notebooks that compute."""

import re

import pytest
from writing_server import WritingServer

from rag_study import data
from rag_study.common import files, run_folder
from rag_study.evaluation.answer_agreement import DISAGREES, REFUSES
from rag_study.models import api_key
from rag_study.study import notebook_cells, plan, stages


@pytest.fixture
def server(monkeypatch):
    """A model that knows who built even towers, says "Nobody" of odd ones, and refuses each 7th."""
    for name in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    server = WritingServer()
    server.answers = lambda passages, question: _says(int(re.search(r"tower (\d+)", question)[1]))
    yield server
    server.close()


def _says(number):
    if number % 7 == 0:
        return "I do not know."
    return f"It was built by Person {number}." if number % 2 == 0 else "Nobody built it."


def do(run):
    """What the run's notebook does, in this process."""
    cells = dict(run.parameters)
    for cell in notebook_cells.stage_cells(run.notebook):
        exec(cell.source, cells)
    assert stages.is_done(run), run.run_id


def test_a_training_learns_what_was_kept_of_another_models_answers(
    write_study, own_data, server, outputs
):
    tuning = {"train_size": [12], "epochs": 1, "train_format": "with_context"}
    path = write_study(
        datasets=[{"name": "own", "path": str(own_data), "test_size": 4}],
        fine_tuning=[tuning | {"answer_source": server.model, "otherwise": ["gold", "left_out"]}],
        retrieval={"retriever": "bm25", "chunk_size": 64, "chunk_overlap": 8, "top_k": 2},
        answering={"max_new_tokens": 8},
    )
    trained = [run for run in plan.expand(path) if run.stage.name == "fine_tune"]
    for run in trained:
        for needed in (*stages.all_upstream(run), run):
            if not stages.is_done(needed):
                do(needed)
    folders = {
        run.stage.name: run_folder.RunFolder(run.run_id).path
        for run in (*trained[0].upstream, trained[0])
    }
    pools = data.load_pools(folders["prepare_data"])
    answers = files.read_parquet(folders["write_training_answers"] / "answers.parquet")
    number = answers["question_id"].str[1:].astype(int)
    assert (answers["rejected"] == "").equals((number % 2 == 0) & (number % 7 != 0))
    assert set(answers["rejected"]) <= {"", DISAGREES, REFUSES}
    assert answers["passages"].map(len).min() == 1  # the gold passage
    asked = [body["messages"][-1]["content"] for body in server.requests]
    asked = [text.rpartition("Question: ")[2] for text in asked]
    assert len(asked) == len(set(asked)) == len(answers)  # once for both trainings
    assert not set(asked) & {question.question for question in pools["test"]}
    to_train = answers[answers["context"].str.startswith("train")]
    kept = int((to_train["rejected"] == "").sum())
    told = files.read_json(folders["write_training_answers"] / "metrics.json")
    assert told["kept"] == int((answers["rejected"] == "").sum())
    counts = [
        files.read_json(run_folder.RunFolder(run.run_id).path / "metrics.json")["data"]
        for run in trained
    ]
    assert [entry["answers that a model wrote"] for entry in counts] == [kept, kept]
    assert [entry["pairs"] for entry in counts] == [12, kept]
