"""What the report says of the audit and of people's labels."""

import json
import re

import pytest
import styled_study as towns

from rag_study.analysis.next_steps import next_steps
from rag_study.analysis.study_results import StudyResults
from rag_study.report import audit_tables, page
from rag_study.report.basis import basis
from rag_study.report.limits import limits
from rag_study.report.plots import style_means
from rag_study.study.config import load_study

ASKED = towns.questions(120)


def analysed(folder, grade, people=None, tuned=towns.short_answer):
    return towns.analysed(folder, ASKED, grade, people, tuned=tuned)


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("failing"), towns.likes_short)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    def truth(row):
        return 5 if row["is_right"] else 1

    return analysed(tmp_path_factory.mktemp("labelled"), towns.likes_short, truth)


def html(found, folder):
    return page.build_report(found, folder / "report.html").read_text()


def test_the_report_says_that_a_judge_fails_and_why(failing, tmp_path):
    text = html(failing, tmp_path)
    assert "Does it treat long and short answers alike?" in text
    rows = {row["metric"]: row for row in audit_tables.audit_rows(failing)}
    assert rows["Accuracy (judge)"]["status"] == "fails"
    assert rows["Answer recall"]["status"] == "passes"
    assert rows["Accuracy (judge)"]["limit"] == "±0.125"
    assert re.fullmatch(r"\d+ → 1", rows["Accuracy (judge)"]["words"])
    assert re.search(r"\d+ questions\)", rows["Accuracy (judge)"]["reason"])
    assert "does not treat answers of base and trained model alike" in basis(failing)
    assert any("does not treat answers" in sentence for sentence in limits(failing))
    assert "goes with style" in text
    # Its row is there, marked, and it is not called invalid: it may judge other states.
    assert failing.invalid_judges == set()
    # The first figure is of what carries the verdict.
    assert "answer recall" in basis(failing)


def test_bounds_stand_beside_the_failing_judge(failing):
    row = next(r for r in audit_tables.audit_rows(failing) if r["metric"] == "Accuracy (judge)")
    low, high = (float(end.replace("−", "-")) for end in row["bounds"].split(" to "))
    judged = failing.comparisons.query("metric == 'judge_accuracy' and judge == 'strong'").iloc[0]
    is_right = failing.results.groupby("train_size")["is_right"].mean()
    truth = 2.2 * (is_right[200] - is_right[0])
    assert low < truth < high
    assert truth < judged["ci_low"]


def test_what_people_would_see_comes_first(labelled, tmp_path):
    text = html(labelled, tmp_path)
    first, primary = text.index("What people would say (sample"), text.index("Primary comparisons")
    assert first < primary
    effects = text[primary : text.index("</table>", primary)]
    assert "Accuracy (people)" in effects
    assert "labelled questions" in text
    assert "Where people graded: the judge's errors" in text
    rows = audit_tables.error_rows(labelled)
    assert [row["status"] for row in rows if row["status"]] == ["fails", "fails"]
    assert {row["limit"] for row in rows} == {"±0.125"}


def test_errors_are_put_into_words(labelled):
    sentences = audit_tables.error_sentences(labelled)
    assert len(sentences) == 2
    assert all("for each doubling of an answer's words" in sentence for sentence in sentences)
    assert all(sentence.endswith("whatever the merit.") for sentence in sentences)


def test_plans_say_what_more_labels_bring(labelled):
    steps = next_steps(labelled, load_study("params/demo.yaml"))
    plans = steps[steps["rule"] == "more labels"]
    assert len(plans) == 2
    for plan in plans.to_dict("records"):
        assert re.search(r"would bring the interval from ±\d\.\d\d to ±\d", plan["sentence"])
        graded = json.loads(plan["numbers"])["labelled"]
        assert f"people have graded {graded} questions" in plan["sentence"]
    # Who has labels is not asked for them.
    assert not steps["rule"].isin(["labels", "larger check of the judge"]).any()


def test_a_study_without_rungs_or_labels_says_nothing_of_them(tmp_path):
    empty = StudyResults({"name": "small"})
    text = html(empty, tmp_path)
    assert "alike?" not in text
    assert "people would say" not in text
    assert audit_tables.audit_rows(empty) == audit_tables.error_rows(empty) == []
    assert audit_tables.style_table(empty) == {"columns": [], "rows": []}


def test_means_by_style_as_table_and_figure(failing):
    table = audit_tables.style_table(failing)
    assert [column["name"] for column in table["columns"]][:2] == [
        "the answer alone",
        "in a sentence",
    ]
    accuracy = [row for row in table["rows"] if row["metric"] == "Accuracy (judge)"]
    assert [row["merit"] for row in accuracy] == ["right", "wrong"]
    short, *_, very_long = (float(cell["mean"]) for cell in accuracy[0]["cells"][:5])
    assert short > very_long + 1
    figure = style_means(failing.style_means, metrics=failing.metrics)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "Accuracy (judge)\nstrong"
    assert "Token F1" in titles
    assert style_means(failing.style_means.iloc[:0]).axes
