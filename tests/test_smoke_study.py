"""The smoke study from end to end through papermill, its numbers compared with recorded ones.

Runs before everything else (see conftest.py); the notebooks under nbval reuse what it made.
"""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from rag_study.common import run_folder
from rag_study.common.paths import PROJECT_ROOT
from rag_study.study import plan

SMOKE = str(PROJECT_ROOT / "params" / "smoke.yaml")
RECORDED = PROJECT_ROOT / "tests" / "golden" / "smoke_comparisons.csv"


@pytest.fixture(scope="module")
def first():
    """As a user starts it; what is asked of it later need not begin with the imports again."""
    command = [sys.executable, "-m", "rag_study", "run", SMOKE]
    return subprocess.run(command, capture_output=True, text=True)


def test_everything_is_done_and_the_report_is_named(first, command_line):
    assert first.returncode == 0, first.stdout + first.stderr
    assert "20 run, 0 reused, 0 failed, 0 blocked" in first.stdout
    report = run_folder.study_dir("smoke") / "report.html"
    assert str(report) in first.stdout
    assert "random-llama" in report.read_text()
    assert command_line("status", SMOKE)[0] == 0


def test_numbers_are_the_recorded_ones(first):
    key = ["method", "train_size", "prompting", "baseline", "context", "metric"]
    # The context is called "none", which pandas must not take for a missing value.
    made, expected = (
        pd.read_csv(file, keep_default_na=False, na_values=[""]).sort_values(key, ignore_index=True)
        for file in (run_folder.study_dir("smoke") / "comparisons.csv", RECORDED)
    )
    assert made[key].equals(expected[key])
    assert made["verdict"].fillna("").tolist() == expected["verdict"].fillna("").tolist()
    for column in ("mean_base", "mean_tuned", "difference", "ci_low", "ci_high"):
        # Recorded to four places; 1e-5 was seen between processors.
        np.testing.assert_allclose(made[column], expected[column], atol=2e-4, err_msg=column)
    # A flip whose sum is as large as the one observed but for rounding counts here or not: p values
    # agree as well as those of other random flips would, up to four of their standard errors.
    p = expected["p_value"]
    room = 4 * np.sqrt(p * (1 - p) / 10_000) + 1e-3
    assert ((made["p_value"] - p).abs() <= room)[p.notna()].all()
    assert made["p_value"].isna().equals(p.isna())


def test_results_have_every_answer_once(first):
    table = pd.read_parquet(run_folder.study_dir("smoke") / "results.parquet")
    # Four states in every context, and the other system in one. A counterfactual is impossible for
    # 6 of the 22 questions, and nobody is asked more training questions than it was trained on.
    assert table["context"].value_counts().to_dict() == {
        **{"none": 4 * 22, "retrieved": 5 * 22, "oracle": 4 * 22, "distractor": 4 * 22},
        **{"counterfactual": 4 * 16, "training": 22 + 22 + 8 + 16},
    }
    states = ["method", "train_size", "prompting"]
    assert not table.duplicated([*states, "context", "question_id"]).any()
    test = table[~table["context"].isin(["training", "counterfactual"])]
    assert (test.groupby(states)["question_id"].agg(frozenset)).nunique() == 1
    training = set(table.loc[table["context"] == "training", "question_id"])
    assert not training & set(test["question_id"])
    assert set(table.loc[table["method"] == "production", "context"]) == {"retrieved"}
    # The reference metrics, recomputed from the answer's text.
    from rag_study.common.text import length
    from rag_study.evaluation import reference

    for row in table.sample(20, random_state=0).itertuples():
        assert row.exact_match >= reference.exact_match(row.answer, row.reference)
        assert row.answer_length == length(row.answer)


def test_a_second_run_does_nothing_and_says_so(first, command_line):
    before = {p: p.stat().st_mtime_ns for p in run_folder.outputs_dir().rglob("*.parquet")}
    code, out, _ = command_line("run", SMOKE)
    assert code == 0
    assert "Nothing to do" in out
    assert {p: p.stat().st_mtime_ns for p in run_folder.outputs_dir().rglob("*.parquet")} == before


def test_a_lost_run_is_done_again_alone_and_the_report_gives_the_same_tables(first, command_line):
    folder = run_folder.study_dir("smoke")
    before = {n: (folder / n).read_bytes() for n in ("results.csv", "comparisons.csv")}
    judged = [r for r in plan.expand(SMOKE) if r.stage.name == "judge_answers"]
    answers = [r for r in judged if r.point.model][-1]
    part = run_folder.RunFolder(answers.run_id)
    part.set_status("running")  # as a killed kernel leaves it
    removed = sorted((part.path / "parts").iterdir())[4:]
    for file in removed:
        file.unlink()
    for name in ("made_by.txt", "report.html"):
        (folder / name).unlink()
    planned = json.loads(command_line("plan", SMOKE, "--json")[1])
    again = [row["run_id"] for row in planned if row["action"] == "run"]
    assert again == [answers.run_id, plan.expand(SMOKE)[-1].run_id]
    code, out, _ = command_line("run", SMOKE, "--only", "judge_answers")
    assert code == 0, out
    assert "1 run, 4 reused" in out
    code, out, _ = command_line("report", SMOKE)
    assert code == 0, out
    assert (folder / "report.html").exists()
    assert {n: (folder / n).read_bytes() for n in before} == before
    assert "Nothing to do" in command_line("run", SMOKE)[1]
