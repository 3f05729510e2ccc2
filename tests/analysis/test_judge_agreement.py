import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from rag_study.analysis import judge_agreement
from rag_study.analysis.pairing import RUN_COLUMNS


def results(scores_by_judge, groups=None):
    rows = []
    for judge, scores in scores_by_judge.items():
        for i, score in enumerate(scores):
            row = dict.fromkeys(RUN_COLUMNS, "x") | {"context": "none", "question_id": f"q{i}"}
            row |= {"group": groups[i] if groups else None, "judge": judge}
            rows.append(row | {"judge_accuracy": score})
    return pd.DataFrame(rows)


def test_numbers_against_scipy_and_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.uniform(1, 5, 200)
    b = np.clip(a + rng.normal(0.3, 0.8, 200), 1, 5)
    row = judge_agreement.between_judges(results({"a": a, "b": b})).iloc[0]
    assert (row["criterion"], row["judge_a"], row["judge_b"], row["n"]) == (
        "accuracy",
        "a",
        "b",
        200,
    )
    assert row["spearman"] == pytest.approx(stats.spearmanr(a, b).statistic)
    grades = judge_agreement.rounded(a), judge_agreement.rounded(b)
    assert row["kappa"] == pytest.approx(cohen_kappa_score(*grades, weights="quadratic"))
    assert row["difference"] == pytest.approx((a - b).mean())
    oracle = stats.bootstrap((a - b,), np.mean, random_state=0).confidence_interval
    assert row["difference_low"] == pytest.approx(oracle.low, abs=0.02)
    assert row["difference_high"] == pytest.approx(oracle.high, abs=0.02)
    for name in ("spearman", "kappa"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_answers_of_one_group_are_resampled_together():
    rng = np.random.default_rng(0)
    a, shift = rng.uniform(1, 5, 200), np.repeat(rng.normal(0, 1, 10), 20)
    groups = [f"g{i // 20}" for i in range(200)]
    apart = judge_agreement.between_judges(results({"a": a, "b": a + shift})).iloc[0]
    grouped = judge_agreement.between_judges(results({"a": a, "b": a + shift}, groups)).iloc[0]
    widths = [row["difference_high"] - row["difference_low"] for row in (apart, grouped)]
    assert widths[1] > 2 * widths[0]


def test_only_answers_that_both_scored_count_and_no_spread_is_no_correlation():
    table = judge_agreement.between_judges(
        results({"a": [3.0, 3.0, 3.0, np.nan], "b": [1.0, 2, 3, 4]})
    )
    assert table["n"].tolist() == [3]
    assert np.isnan(table["spearman"].iloc[0])
    assert judge_agreement.between_judges(results({"a": [1.0, 2.0]})).empty
    assert judge_agreement.between_judges(pd.DataFrame()).empty


def test_halves_are_rounded_up():
    assert judge_agreement.rounded(np.array([1.0, 1.5, 2.49, 4.5, 5.0])).tolist() == [1, 2, 2, 5, 5]
