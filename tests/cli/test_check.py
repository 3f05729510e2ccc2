"""`rag-study check`, the head of `plan`, and what `run` asks before it begins."""

import json

import pytest

from rag_study.common.paths import PROJECT_ROOT
from rag_study.study.running import study_run

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")
FEW = [{"name": "fictional", "num_worlds": 84, "test_size": 12}]
SMALL = [{"model": "random-llama", "ladder_size": 20}]


@pytest.fixture
def started(monkeypatch):
    """What `run` would have run; nothing is."""
    runs = []

    def note(progress, *_, **__):
        runs.extend(progress.runs)

    monkeypatch.setattr(study_run, "run_all", note)
    return runs


def test_a_study_that_can_answer(command, outputs):
    code, out, _ = command("check", SMOKE)
    assert code == 0
    assert "smoke: a verdict is possible" in out
    assert max(map(len, out.splitlines())) <= 80
    assert not outputs.exists()
    code, out, _ = command("check", SMOKE, "--format", "json")
    record = json.loads(out)
    assert (code, record["verdict"]) == (0, True)
    assert record["judges"][0]["can_be_valid"] is True
    assert record["data"][0]["groups"] == 21
    assert {row["fits"] for row in record["models"]} == {True}
    assert record["time"]["hours"] > 0


def test_a_study_that_cannot(command, write_study, outputs):
    path = write_study(datasets=FEW)
    code, out, _ = command("check", path)
    assert code == 1
    assert "small: no verdict is possible" in out
    assert "→ `test_size: 20` gives 20 groups." in out
    assert json.loads(command("check", path, "--format", "json")[1])["verdict"] is False
    assert not outputs.exists()


def test_names_with_brackets_are_shown_as_they_are(command, write_study):
    path = write_study(datasets=[FEW[0] | {"label": "[red]mills[/]", "test_size": 24}])
    _, out, _ = command("check", path)
    assert out.count("[red]mills[/]") >= 3


def test_the_plan_begins_with_it(command, write_study):
    code, out, _ = command("plan", write_study(datasets=FEW))
    assert code == 0
    assert out.startswith("✗ fictional: 12 independent groups")
    assert "`test_size: 20` gives 20 groups" in out
    assert "rag-study check" in out
    code, out, _ = command("plan", SMOKE)
    assert "A verdict is possible." in " ".join(out.split())


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_ladder_that_no_judge_can_pass_is_refused(command, write_study, started, verb):
    path = write_study(datasets=[FEW[0] | {"test_size": 20}], judges=SMALL)
    code, _, err = command(verb, path)
    assert (code, started) == (2, [])
    assert "ladder_size: 20 questions cannot show" in err
    assert "Set `ladder_size: 36`" in err


def test_a_run_without_a_possible_verdict_asks(command, write_study, started, outputs):
    path = write_study(datasets=FEW)
    code, _, err = command("run", path)
    assert (code, started) == (2, [])
    assert "no verdict is possible" in err
    assert "`test_size: 20` gives 20 groups" in err
    assert "--anyway" in err
    assert not outputs.exists()
    command("run", path, "--anyway")
    assert started
    started.clear()
    command("run", path, "--only", "prepare_data")  # one stage answers no question
    assert [run.stage.name for run in started] == ["prepare_data"]


def test_a_run_where_nothing_is_trained_goes_on(command, write_study, started):
    command("run", write_study(datasets=FEW, fine_tuning=None))
    assert started


def test_data_that_is_one_question(command, write_study, tmp_path):
    row = {"id": "q", "question": "Who built it?", "answers": ["Ada"], "gold_doc_ids": ["d"]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row))
    (tmp_path / "corpus.jsonl").write_text('{"doc_id": "d", "title": "t", "text": "Ada did."}')
    data = [{"name": "jsonl", "path": str(tmp_path), "test_size": 1}]
    code, _, err = command("check", write_study(datasets=data))
    assert code == 2
    assert "1 question in 1 group" in err
    assert "Traceback" not in err
