"""Random effects over data sets against formulas and a simulation."""

import numpy as np
import pytest
from generated import study
from scipy import stats

from rag_study.analysis.effects import compare
from rag_study.analysis.heterogeneity import HETEROGENEITY_COLUMNS, heterogeneity
from rag_study.analysis.pairing import ALL_SEEDS


def over_sets(effects, seeds=(0,), **options):
    states = [({"dataset": d, "seed": s}, e) for d, e in effects.items() for s in seeds]
    results = study(states, **options)
    return compare(results, [], ["judge_accuracy"], [], {"j": True}, n_resamples=200)


def test_cochrans_q_and_the_mean_by_hand():
    comparisons = over_sets({"bioasq": 0.1, "nq": -0.4, "qasper": -1.2})
    (row,) = heterogeneity(comparisons).to_dict("records")
    assert (row["datasets"], row["n_datasets"]) == ("bioasq, nq, qasper", 3)
    effects, variances = comparisons["difference"].to_numpy(), comparisons["se"].to_numpy() ** 2
    fixed = np.average(effects, weights=1 / variances)
    q = ((effects - fixed) ** 2 / variances).sum()
    assert row["q"] == pytest.approx(q)
    assert row["p_value"] == pytest.approx(stats.chi2.sf(q, 2))
    assert row["i2"] == pytest.approx((q - 2) / q)
    # Paule and Mandel: with tau² the weighted squares sum to the degrees of freedom.
    weights = 1 / (variances + row["tau"] ** 2)
    assert row["estimate"] == pytest.approx(np.average(effects, weights=weights))
    assert (weights * (effects - row["estimate"]) ** 2).sum() == pytest.approx(2, rel=1e-3)
    assert (row["smallest"], row["largest"]) == (effects.min(), effects.max())
    # Hartung and Knapp: with k data sets, Student's t on k - 1 degrees of freedom.
    spread = (weights * (effects - row["estimate"]) ** 2).sum() / 2
    half = stats.t.ppf(0.975, 2) * np.sqrt(max(spread, 1.0) / weights.sum())
    assert row["ci_high"] - row["estimate"] == pytest.approx(half, rel=1e-3)
    assert row["estimate"] - row["ci_low"] == pytest.approx(half, rel=1e-3)


def test_equal_effects_are_seldom_called_different():
    template = over_sets(dict.fromkeys("abcd", 0.0), n=60).assign(se=0.1)
    rng = np.random.default_rng(5)
    found = [
        heterogeneity(template.assign(difference=rng.normal(-0.4, 0.1, 4))).iloc[0]
        for _ in range(300)
    ]
    tolerance = 2 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean([row["p_value"] < 0.05 for row in found]) == pytest.approx(0.05, abs=tolerance)
    covered = [row["ci_low"] <= -0.4 <= row["ci_high"] for row in found]
    assert np.mean(covered) >= 0.95 - tolerance


def test_all_seeds_speak_for_a_recipe_and_one_data_set_is_not_compared():
    table = heterogeneity(over_sets({"nq": 0.0, "qasper": 0.0}, seeds=(0, 1)))
    assert table["seed"].tolist() == [ALL_SEEDS]
    empty = heterogeneity(over_sets({"nq": 0.0}))
    assert (list(empty.columns), len(empty)) == (HETEROGENEITY_COLUMNS, 0)


def test_effects_without_a_known_spread_are_left_out():
    comparisons = over_sets({"nq": 0.0, "qasper": 0.0, "bioasq": 0.0})
    comparisons.loc[0, "se"] = 0.0
    assert heterogeneity(comparisons)["datasets"].tolist() == ["nq, qasper"]
    assert heterogeneity(comparisons.assign(se=np.nan)).empty


@pytest.mark.parametrize("effect", [0.0, 0.1, -1 / 3])
def test_effects_that_are_the_same_have_no_heterogeneity(effect):
    """Cochran's q is then made of rounding errors, and so would be a share of it."""
    template = over_sets(dict.fromkeys("abc", 0.0), n=60).assign(se=[0.05, 0.07, 0.03])
    row = heterogeneity(template.assign(difference=effect)).iloc[0]
    assert row["q"] == pytest.approx(0.0, abs=1e-9)
    assert row["q"] >= 0
    assert (row["i2"], row["tau"]) == (0.0, 0.0)
