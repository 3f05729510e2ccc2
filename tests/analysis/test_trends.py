"""The trend over train size against a plain loop, scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from generated import TUNED, rows, study
from scipy import stats

from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.analysis.trends import TREND_COLUMNS, trends


def of_sizes(effects, seeds=(0,), **options):
    states = [({"train_size": n, "seed": s}, e) for s in seeds for n, e in effects.items()]
    return study(states, **options)


def test_the_slope_is_that_of_a_regression_per_question():
    results = of_sizes({50: -0.1, 200: -0.3, 1000: -0.9}, n=90)
    results.loc[results["question_id"] == "q0003", "judge_accuracy"] = np.nan
    (row,) = trends(results).to_dict("records")
    wide = results[results["train_size"] > 0].pivot(
        index="question_id", columns="train_size", values="judge_accuracy"
    )
    lines = [stats.linregress(np.log2([50, 200, 1000]), y).slope for y in wide.dropna().to_numpy()]
    assert row["slope"] == pytest.approx(np.mean(lines))
    assert (row["n_questions"], row["n_clusters"], row["n_sizes"]) == (89, 45, 3)
    assert row["train_sizes"] == "50, 200, 1000"
    assert row["gain"] == pytest.approx(row["slope"] * np.log2(20))
    oracle = stats.ttest_1samp(lines, 0)
    interval = oracle.confidence_interval()
    width = interval.high - interval.low
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(interval), abs=0.15 * width)
    assert row["p_value"] < 0.001
    assert row["slope"] == pytest.approx(-0.18, abs=0.06)


def test_the_untuned_model_and_training_questions_have_no_part():
    results = of_sizes({50: 0.0, 200: 0.0})
    base = results["method"] == "none"
    moved = results.assign(judge_accuracy=results["judge_accuracy"] + 5.0 * base)
    pd.testing.assert_frame_equal(trends(results, 200), trends(moved, 200))
    training = results.assign(context="training")
    assert trends(training, 200).empty


def test_seeds_are_pooled_and_one_size_has_no_trend():
    table = trends(of_sizes({50: 0.0, 100: 0.5}, seeds=(0, 1, 2)), 200)
    assert table["seed"].tolist() == [ALL_SEEDS, 0, 1, 2]
    assert table["n_seeds"].tolist() == [3, 1, 1, 1]
    assert table["slope"][0] == pytest.approx(table["slope"][1:].mean())
    empty = trends(of_sizes({50: 0.0}), 200)
    assert (list(empty.columns), len(empty)) == (TREND_COLUMNS, 0)
    assert trends(pd.DataFrame()).empty


def test_recipes_do_not_mix():
    frames = [rows({"answer_recall": np.full(30, 0.5)})]
    for method, high in (("lora", 0.9), ("dora", 0.1)):
        for size, level in ((50, 0.5), (100, high)):
            run = {**TUNED, "method": method, "train_size": size}
            frames.append(rows({"answer_recall": np.full(30, level)}, **run))
    table = trends(pd.concat(frames, ignore_index=True), 200).set_index("method")
    assert table["slope"].to_dict() == pytest.approx({"lora": 0.4, "dora": -0.4})
    # No question differs from the others, but one in nine may: its slope is at most 1, at least -1.
    share = 1 - 0.025 ** (1 / 30)
    assert table["ci_high"]["lora"] == pytest.approx(0.4 + share * 0.6)
    assert table["ci_low"]["lora"] == pytest.approx(0.4 - share * 1.4)
