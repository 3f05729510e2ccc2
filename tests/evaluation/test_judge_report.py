"""The figures of a judge in one table."""

import json
from dataclasses import asdict

import pytest

from rag_study.data.sources import fictional
from rag_study.evaluation import criteria
from rag_study.evaluation.judging import people, report
from rag_study.evaluation.judging.judge import Judge, Reading

USUAL = criteria.find_all(criteria.DEFAULT)


class Lazy(Judge):
    """Gives 5 to what holds the reference, else 1; stops after so many batches."""

    def __init__(self, last=None):
        super().__init__("lazy", USUAL)
        self.batches, self._last = 0, last

    def _read(self, items):
        if self._last is not None and self.batches == self._last:
            raise KeyboardInterrupt
        self.batches += 1
        shares = [float(item.reference.lower() in item.candidate.lower()) for item in items]
        return {
            one.name: [Reading((1 - share, 0, 0, 0, share), 1.0) for share in shares]
            for one in USUAL
        }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "judge-report"


@pytest.fixture(scope="module")
def questions():
    return list(fictional.generate(20, style="encyclopedia").questions)


def graded():
    return [
        people.Graded(
            f"{n}", f"Who built tower {n}?", (f"Ann Lor{n}",), text, grade, model, "accuracy"
        )
        for n in range(12)
        for model, text, grade in (
            ("short", f"Ann Lor{n}", 1.0),
            ("long", f"I believe that the tower you ask about was built by Ann Lor{n + n % 2}.",
             float(n % 2 == 0)),
        )
    ]  # fmt: skip


def made(judge, questions):
    found = report.Report([judge.name])
    report.add_ladder(found, judge, questions, 40, "1", lambda done, total: None)
    report.add_people(found, judge, graded(), "1", lambda done, total: None)
    found.about["ladder"]["data"], found.about["people"]["file"] = "fictional", "graded.jsonl"
    return found


def test_figures_are_json_and_tables_say_them(questions):
    found = made(Lazy(), questions)
    assert json.loads(json.dumps(asdict(found), allow_nan=False)) == asdict(found)
    ladder = {row["criterion"]: row for row in found.ladder}
    assert set(ladder) == {"accuracy", "completeness"}
    assert ladder["accuracy"]["valid"] is False
    assert "fails" in ladder["accuracy"]["families"].values()
    assert ladder["accuracy"]["families"]["injections"] == "passes"  # no judge is shown them
    assert found.about["ladder"]["questions"] == 40
    judge = next(row for row in found.people if row["judge"])
    assert judge["auc"] == 1.0
    assert {row["scorer"] for row in found.people} == {"lazy", *people.BESIDE}
    text = report.markdown(found)
    assert "| lazy | 1.00 (" in text
    assert "| token F1 |" in text
    # Nobody gave grades between: there is no such column.
    assert "kappa" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") in (7, lines[-1].count("|")) for line in lines)


def test_metrics_stand_there_once_beside_several_judges(questions):
    found = made(Lazy(), questions)
    other = Lazy()
    other.name = "other"
    report.add_people(found, other, graded(), "1", lambda done, total: None)
    scorers = [row["scorer"] for row in found.people]
    assert sorted(scorers) == sorted({"lazy", "other", *people.BESIDE})


def test_a_stopped_report_goes_on_from_there(questions, cache):
    with pytest.raises(KeyboardInterrupt):
        made(Lazy(last=3), questions)
    told, judge, whole = [], Lazy(), Lazy()
    found = report.Report()
    report.add_ladder(found, judge, questions, 40, "1", lambda *counts: told.append(counts))
    assert told[-1][0] == told[-1][1]
    # Done: nothing is kept that could be taken for a later model's.
    assert not list(cache.iterdir())
    again = report.Report()
    report.add_ladder(again, whole, questions, 40, "1", lambda *counts: None)
    assert whole.batches == judge.batches + 3
    assert again == found


def test_another_revision_or_another_judge_starts_anew(questions, cache):
    with pytest.raises(KeyboardInterrupt):
        made(Lazy(last=1), questions)
    judge, whole = Lazy(), Lazy()
    report.add_ladder(report.Report(), judge, questions, 40, "2", lambda *counts: None)
    report.add_ladder(report.Report(), whole, questions, 40, "3", lambda *counts: None)
    assert judge.batches == whole.batches
