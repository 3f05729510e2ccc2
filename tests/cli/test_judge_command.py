"""`rag-study judge-report`: what is asked for, what is refused, what is shown."""

import json

import pytest

from rag_study.evaluation import judging
from rag_study.evaluation.judging import judge as judges


class Kind(judges.Judge):
    """Gives 5 to everything."""

    stopped = False

    def _read(self, items):
        if self.stopped:
            raise KeyboardInterrupt
        reading = judges.Reading((0, 0, 0, 0, 1.0), 1.0)
        return {one.name: [reading] * len(items) for one in self.criteria}


@pytest.fixture
def kind(monkeypatch, tmp_path):
    from rag_study.evaluation import criteria

    def opened(name, wanted, *_, **__):
        return Kind(name, criteria.find_all(wanted))

    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(judging, "open_judge", opened, raising=False)
    return Kind


@pytest.fixture
def answers(tmp_path):
    rows = [
        {"question": f"Who is {n}?", "references": [f"Ann {n}"], "answer": text, "grade": grade}
        for n in range(8)
        for text, grade in ((f"Ann {n}", 1), ("Nobody knows her name any more", 0))
    ]
    file = tmp_path / "graded.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_tables_on_the_terminal(kind, command, answers):
    code, out, _ = command("judge-report", "random-llama", "--answers", answers, "--questions", 20)
    assert code == 0
    assert "The ladder" in out
    assert "not valid" in out
    assert "Answers that people graded: accuracy" in out
    assert "20 questions of fictional" in out
    assert "16 graded answers to 8 questions of graded.jsonl" in " ".join(out.split())


def test_a_file_for_the_docs_and_one_for_machines(kind, command, answers, tmp_path):
    for name in ("judge.md", "judge.json"):
        only = ("--no-ladder", "--answers", answers, "--output", tmp_path / name)
        code, out, _ = command("judge-report", "random-llama", *only)
        assert code == 0
        assert str(tmp_path / name) in "".join(out.split("\n"))
    assert (tmp_path / "judge.md").read_text().count("| random-llama |") == 1
    found = json.loads((tmp_path / "judge.json").read_text())
    assert found["ladder"] == []
    assert found["people"][0]["auc"] == 0.5
    code, out, _ = command("judge-report", "random-llama", *only[:3], "--format", "json")
    assert json.loads(out)["people"] == found["people"]


def test_ctrl_c_says_how_to_go_on(kind, command, answers, monkeypatch):
    monkeypatch.setattr(Kind, "stopped", True)
    code, out, _ = command("judge-report", "random-llama", "--no-ladder", "--answers", answers)
    assert code == 130
    assert "goes on from here" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["smollm2-135m-jugde"], "did you mean 'smollm2-135m-judge'"),
        (["random-llama", "--answers", "nowhere.jsonl"], "nowhere.jsonl: there is no such file"),
        (["random-llama", "--no-ladder"], "leaves nothing to grade"),
        (["random-llama", "--data", "nowhere"], "nowhere"),
        (["random-llama", "--output", "report.txt"], "a file is .md or .json"),
        (["random-llama", "--output", "no/such/report.md"], "there is no folder"),
        (["random-llama", "--criterion", "tone"], "criterion 'tone'"),
        (["random-llama", "random-llama", "--adapter", "x"], "belongs to one judge"),
        (["random-llama", "--adapter", "tests"], "there is no adapter_config.json"),
        (["tests"], "has no config.json"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(command, options, said):
    code, _, err = command("judge-report", *options)
    assert code == 2
    assert said in " ".join(err.split())
    assert "Traceback" not in err
