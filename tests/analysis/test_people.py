"""What more labels would bring, where it can be tried."""

import numpy as np
import pandas as pd
import pytest
import styled_study as towns

from rag_study.analysis import analyse
from rag_study.analysis.pairing import ALL_SEEDS, PEOPLE
from rag_study.analysis.people import half_width, label_plan, labels_for
from rag_study.analysis.study_results import StudyResults
from rag_study.labelling.prediction_powered import estimate
from rag_study.study.config import load_study

N = 240


def study(rng):
    """What people say of all answers, and what a judge says of them."""
    truth = rng.choice([-4.0, 0.0, 4.0], N, p=[0.25, 0.6, 0.15])
    return truth, 0.6 * truth + rng.normal(0.5, 1.0, N)


def labelled(truth, scores, n, rng):
    labels = np.full(N, np.nan)
    drawn = rng.choice(N, n, replace=False)
    labels[drawn] = truth[drawn]
    made = estimate(labels, scores, np.zeros(N, dtype=int), np.arange(N), (-4.0, 4.0))
    return {
        "n_labelled": n,
        "n_questions": N,
        "se": made.se,
        "se_all": made.se_all,
        "df": made.df,
        "width": (made.high - made.low) / 2,
    }


@pytest.mark.parametrize("n_more", [80, 160, N])
def test_the_width_that_is_promised_is_the_width_that_comes(n_more):
    rng = np.random.default_rng(1)
    promised, came = [], []
    for _ in range(60):
        truth, scores = study(rng)
        row = labelled(truth, scores, 40, rng)
        assert half_width(row, 40) == pytest.approx(row["width"])
        promised.append(half_width(row, n_more))
        came.append(labelled(truth, scores, n_more, rng)["width"])
    assert np.mean(promised) == pytest.approx(np.mean(came), rel=0.08)
    assert np.mean(came) < 0.85 * np.mean([half_width(row, 40)])


def test_the_number_of_labels_for_a_width():
    rng = np.random.default_rng(2)
    row = labelled(*study(rng), 40, rng)
    wanted = 0.75 * row["width"]
    n = labels_for(row, wanted)
    assert half_width(row, n) <= wanted < half_width(row, n - 1)
    assert labels_for(row, row["width"]) == 40
    assert labels_for(row, 0.01) is None


def test_the_plan_in_words():
    rng = np.random.default_rng(3)
    row = labelled(*study(rng), 30, rng)
    assert label_plan(row).startswith("labels for ")
    assert f"from ±{row['width']:.2f} to ±" in label_plan(row)
    # Where all labels together bring little, more questions are what it takes.
    almost = row | {"se_all": 0.98 * row["se"]}
    assert "for less it takes more questions" in label_plan(almost)
    assert label_plan(row | {"n_labelled": N}) == ""
    assert label_plan(row | {"se": np.nan}) == ""


def test_labels_that_are_all_the_same_have_the_interval_of_what_may_be_hidden():
    same = np.full(60, np.nan)
    same[:30] = 4.0
    ones = (np.zeros(60, dtype=int), np.arange(60))
    unbounded = estimate(same, None, *ones)
    bounded = estimate(same, None, *ones, (1.0, 5.0))
    assert np.isnan(unbounded.se)
    assert bounded.mean == 4.0
    # One group in 30 that says 1 would be seen with 95 %: 1 - .025 ** (1 / 30) of them may hide.
    assert bounded.high - 4.0 == pytest.approx(3 * (1 - 0.025 ** (1 / 30)))
    assert pd.notna(bounded.se)


def test_labels_of_several_seeds_carry_one_verdict_about_all_of_them(tmp_path):
    asked, judge = towns.questions(90), towns.Opinion(towns.fair)
    made = [
        towns.answers(asked, judge, right_base=0.8, right_tuned=0.4, seed=seed) for seed in range(3)
    ]
    trained = [
        table[table["method"] != "none"].assign(seed=seed) for seed, table in enumerate(made)
    ]
    results = pd.concat([made[0][made[0]["method"] == "none"], *trained], ignore_index=True)

    def likes_trained(row):
        if row["train_size"]:
            return 4 + towns.hash_of(row["question_id"]) % 2
        return 5 if row["is_right"] else 1

    labels = towns.label(tmp_path / "labels", results, likes_trained, 40)
    study = load_study("params/demo.yaml")
    collected = StudyResults(
        study=study.model_dump(mode="json"),
        metrics=study.metrics,
        results=results,
        judge_checks=[towns.CHECK],
        styles=towns.rungs(asked[:50], judge),
    )
    found = analyse.analyse(collected, study, 200, people=labels)
    primary = found.comparisons[found.comparisons["primary"]]
    assert set(zip(primary["judge"], primary["seed"], strict=True)) == {(PEOPLE, ALL_SEEDS)}
    assert set(primary["n_seeds"]) == {3}
    single = found.comparisons[(found.comparisons["judge"] == PEOPLE)].query("seed >= 0")
    for metric, rows in single.groupby("metric"):
        (row,) = primary[primary["metric"] == metric].to_dict("records")
        assert row["difference"] == pytest.approx(rows["difference"].mean())
        assert row["se"] >= rows["se"].min()  # they share their questions


def test_uneven_labelled_groups_are_worth_fewer():
    clusters = np.repeat(np.arange(20), [9] * 10 + [1] * 10)
    labels = np.random.default_rng(4).normal(size=len(clusters))
    made = estimate(labels, None, np.zeros(len(labels), dtype=int), clusters)
    assert made.n_effective == pytest.approx(100**2 / (10 * 81 + 10))
