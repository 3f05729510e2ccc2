import json
import sys

import pytest

from rag_study import cli
from rag_study.provenance import PROJECT_ROOT

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")


@pytest.fixture
def command(monkeypatch, capsys, outputs):
    """Run the command line in this process; returns (exit status, output, errors)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rag-study", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return run


def test_plan_for_machines(command, outputs):
    code, out, _ = command("plan", SMOKE, "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["action"] for row in rows} == {"run"}
    assert rows[0]["stage"] == "prepare_data"
    assert rows[-1]["stage"] == "compare"
    assert not outputs.exists()


def test_plan_of_one_stage_is_blocked_without_what_it_needs(command):
    code, out, _ = command("plan", SMOKE, "--only", "fine_tune", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["action"] for row in rows} == {"blocked"}
    assert rows[0]["note"].startswith("needs prepare_data/")


def test_status_of_a_study_never_run(command, outputs):
    code, out, _ = command("status", SMOKE)
    assert code == 1
    assert "0 of 19 stage runs are done" in out
    assert not outputs.exists()


def test_report_without_any_run_says_what_to_do(command, outputs):
    code, _, err = command("report", SMOKE)
    assert code == 2
    assert "Run it first" in err
    assert not outputs.exists()


def test_running_one_stage_without_its_upstream_fails_and_says_why(command):
    code, out, _ = command("run", SMOKE, "--only", "05_judge_answers")
    assert code == 1
    assert "needs prepare_data/" in out


BAD_STUDIES = {
    "unknown key": {"zebra": 1},
    "misspelt key": {"contxts": ["none"]},
    "wrong type": {"models": 3},
    "unknown model": {"models": ["gpt-17"]},
    "unknown data set": {"datasets": [{"name": "wikipedia"}]},
    "unknown method": {"fine_tuning": [{"method": "magic", "train_sizes": [4]}]},
    "train size above the data": {"fine_tuning": [{"train_sizes": [100_000]}]},
    "test size above the data": {"datasets": [{"name": "fictional", "test_size": 100_000}]},
    "slash in the name": {"name": "a/b"},
    "no such data folder": {"datasets": [{"name": "jsonl", "path": "nowhere"}]},
}


@pytest.mark.parametrize("verb", ["plan", "run", "status", "report"])
@pytest.mark.parametrize("what", BAD_STUDIES)
def test_bad_studies_give_one_message_and_leave_nothing(command, outputs, write_study, what, verb):
    path = write_study(**BAD_STUDIES[what])
    code, out, err = command(verb, path)
    assert code == 2
    assert err.startswith("error:")
    assert "Traceback" not in out + err
    assert not outputs.exists()
    assert sorted(p.name for p in path.parent.iterdir()) == ["small.yaml"]


def test_bad_lines_of_own_data_are_named(command, write_study, own_data, outputs):
    with (own_data / "corpus.jsonl").open("a") as file:
        file.write("{broken\n")
    path = write_study(datasets=[{"name": "jsonl", "path": str(own_data), "test_size": 4}])
    code, _, err = command("run", path)
    assert code == 2
    assert "corpus.jsonl, line 41" in err.replace("\n", "")
    assert not outputs.exists()


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_unknown_stage(command, verb):
    code, _, err = command(verb, SMOKE, "--only", "finetune")
    assert code == 2
    assert "Did you mean 'fine_tune'?" in err


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    from rag_study.errors import StudyError

    monkeypatch.setattr(sys, "argv", ["rag-study", "plan", str(tmp_path / "no.yaml"), "--debug"])
    with pytest.raises(StudyError, match="no such study file"):
        cli.main()
