"""Reports of studies that cannot answer say what cannot be computed, and make up no number."""

import re
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

from study_tables import STRONG, WEAK, answers, with_evidence
from test_page import Page

from rag_study.analysis import analyse
from rag_study.analysis.study_results import StudyResults
from rag_study.report import figures, page

PRIMARY = SimpleNamespace(
    contexts=["retrieved"],
    metrics=["judge_accuracy", "judge_completeness"],
    reference_metrics=["answer_recall"],
)
CONFIG = SimpleNamespace(
    judged_metrics=PRIMARY.metrics,
    primary=PRIMARY,
    margins={},
    datasets=[],
    looks=[],
    models=[],
    trainings=[],
)


def prompts(version, number):
    identity = {"prompts": version, "parameters": {}}
    return {"run_id": f"generate/{number}", "stage": "generate_answers", "identity": identity}


def words_of(frame, tmp_path, **changes):
    """All words of the report of a study with these results."""
    given = {"judge_checks": [WEAK], **with_evidence(frame), **changes}
    found = StudyResults(study={"name": "poor"}, results=frame, **given)
    found = analyse.analyse(found, CONFIG, n_resamples=200)
    path = page.build_report(found, tmp_path / "report.html")
    words = Page(path.read_text(encoding="utf-8")).words
    assert not re.search(r"\b(nan|None|inf)\b", words)
    return words


def test_one_finished_run(tmp_path):
    frame = answers(4).query("method == 'none'")
    missing = [{"run_id": "judge/lora", "stage": "judge_answers", "state": "failed"}]
    words = words_of(frame, tmp_path, missing=missing)
    assert "No answer yet. No trained model could be compared" in words
    assert "1 run without a result" in words
    assert "No claim could be tested" in words or "not tested" in words
    assert "supported" not in words.split("tested here")[1].split("Where answers go wrong")[0][400:]


def test_no_base_run(tmp_path):
    words = words_of(answers(4).query("method != 'none'"), tmp_path)
    assert "no base was run in the same settings" in words
    assert "differences cannot be computed" in words


def test_all_scores_equal(tmp_path):
    frame = answers(30)
    frame[["judge_accuracy", "judge_completeness"]] = 3.0
    frame[["answer_recall", "exact_match", "token_f1", "rouge_l"]] = 1.0
    words = words_of(frame, tmp_path, judge_checks=[STRONG | {"judge": "weak"}])
    assert "Every answer has the same accuracy (judge) by weak (3)" in words
    assert not re.search(r"\b(Helps|Hurts)\b", words)
    assert "0 scored higher and 0 lower" in words


def test_one_question(tmp_path):
    words = words_of(answers(1), tmp_path)
    assert "1 independent group of test questions is too few: a verdict needs at least 20" in words
    assert "no interval" in words


def test_a_judge_missing_for_half_of_the_answers(tmp_path):
    frame = answers(24)
    frame.loc[frame["question_id"] >= "q012", ["judge_accuracy", "judge_completeness"]] = float(
        "nan"
    )
    words = words_of(frame, tmp_path, judge_checks=[STRONG | {"judge": "weak"}])
    assert "Judge weak scored 72 of 144 answers" in words
    # Its scores of answers of known merit are not there at all.
    assert "was not shown to treat answers of base and trained model alike" in words
    assert "The verdict rests on answer recall, measured against the reference answers" in words


def test_two_versions_of_the_prompts(tmp_path):
    told = [prompts("one", 1), prompts("two", 2)]
    words = words_of(answers(4), tmp_path, provenance=told)
    assert "were made with 2 versions of the prompts" in words


def test_figures_of_a_study_without_anything_say_so(tmp_path):
    drawn = figures.draw(CONFIG, StudyResults(study={}), tmp_path)
    assert all(path.is_file() and path.with_suffix(".svg").is_file() for path in drawn.values())
