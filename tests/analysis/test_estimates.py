"""Means over several seeds: by hand, against statsmodels, and in simulations with a known truth."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from generated import TUNED, rows, study
from scipy import stats

from rag_study.analysis.effects import compare, of_recipes
from rag_study.analysis.estimates import Sample, estimate, join
from rag_study.analysis.pairing import ALL_SEEDS


def compared(results, **options):
    given = {"judge_valid": {"j": True}, "n_resamples": 500, **options}
    return compare(results, ["retrieved"], ["judge_accuracy"], ["answer_recall"], **given)


def seeds_of(effects, **options):
    return study([({"seed": seed}, effect) for seed, effect in enumerate(effects)], **options)


def test_the_row_of_all_seeds_by_hand():
    results = seeds_of([-0.2, -0.5, -0.9], n=80)
    table = compared(results)
    pooled = table[table["seed"] == ALL_SEEDS].iloc[0]
    singles = table[table["seed"] != ALL_SEEDS]
    wide = results.pivot_table(
        index=["question_id", "group"], columns=["method", "seed"], values="judge_accuracy"
    )
    differences = wide["lora"].sub(wide["none"][0], axis=0)
    means = differences.mean()
    assert pooled["difference"] == pytest.approx(means.mean())
    assert pooled["seed_sd"] == pytest.approx(means.std(ddof=1))
    assert (pooled["n_questions"], pooled["n_clusters"], pooled["n_seeds"]) == (80, 40, 3)
    # Clusters of equal size: the ordinary standard error of their means.
    of_clusters = differences.mean(axis=1).groupby("group").mean()
    asked, seeds = stats.sem(of_clusters) ** 2, means.var(ddof=1) / 3
    assert pooled["se"] == pytest.approx(math.sqrt(asked + seeds))
    df, half = (
        pooled["df"],
        math.hypot(
            stats.t.ppf(0.975, 39) * math.sqrt(asked), stats.t.ppf(0.975, 2) * math.sqrt(seeds)
        ),
    )
    assert 2 < df < 39
    assert stats.t.ppf(0.975, df) * pooled["se"] == pytest.approx(half)
    ends = means.mean() - half, means.mean() + half
    assert (pooled["ci_low"], pooled["ci_high"]) == pytest.approx(ends)
    p = 2 * stats.t.sf(abs(means.mean()) / pooled["se"], df)
    assert pooled["p_value"] == pytest.approx(p)
    assert singles["difference"].to_numpy() == pytest.approx(means.to_numpy())


def test_the_verdict_is_about_all_seeds():
    table = compared(seeds_of([-0.6, -0.6, -0.6], n=100))
    assert list(table["seed"]) == [ALL_SEEDS, 0, 1, 2]
    assert list(table["primary"]) == [True, False, False, False]
    assert table["verdict"].tolist() == ["hurts", "", "", ""]
    assert (table["reason"][1:] == "one of 3 seeds: the verdict is about all of them").all()
    assert table["p_holm"].notna().tolist() == [True, False, False, False]
    assert of_recipes(table).index.tolist() == [0]


def test_one_seed_has_no_row_of_all_seeds():
    table = compared(seeds_of([-0.6]))
    assert table["seed"].tolist() == [0]
    assert table["n_seeds"].tolist() == [1]
    assert table["seed_sd"].isna().all()
    assert table["verdict"].tolist() == ["hurts"]


def test_seeds_that_disagree_are_told_from_questions_that_are_few():
    # Without the spread between seeds the mean would be far from 0 by any test.
    table = compared(seeds_of([-2.0, 0.9, -1.1, 0.1], n=100))
    row = table[table["seed"] == ALL_SEEDS].iloc[0]
    assert row["verdict"] == "cannot tell"
    assert row["ci_low"] < -1.5
    assert row["ci_high"] > 0.5
    assert math.isnan(row["n_no_difference"])
    assert math.isnan(row["n_twice_margin"])
    assert "the seeds differ too much for more questions to settle it" in row["reason"]


def test_seeds_without_any_spread_settle_nothing_small():
    frames = [rows({"judge_accuracy": np.full(40, 3.0)}, judge="j")]
    frames += [
        rows({"judge_accuracy": np.full(40, 3.0)}, judge="j", **TUNED, seed=s) for s in (0, 1)
    ]
    row = compared(pd.concat(frames, ignore_index=True)).iloc[0]
    assert (row["seed"], row["difference"], row["p_value"]) == (ALL_SEEDS, 0, 1)
    # One in eleven of 40 questions may change unseen, by up to the four points of the scale.
    assert row["ci_high"] == -row["ci_low"] == pytest.approx(4 * (1 - 0.025 ** (1 / 40)))
    assert row["verdict"] == "cannot tell"


def test_seeds_that_answered_different_questions_are_pooled_over_all_of_them():
    results = seeds_of([-0.5, -0.5], n=60)
    lost = (results["seed"] == 1) & (results["question_id"] > "q0049")
    row = compared(results[~lost]).iloc[0]
    assert (row["seed"], row["n_questions"]) == (ALL_SEEDS, 60)


def _several_studies(rng, n_studies, n_seeds, between, together):
    """Samples of all seeds; a share of each question's spread is the same for every seed."""
    n = 60
    samples = []
    for _ in range(n_studies):
        own = rng.normal(0, between, n_seeds)
        common = rng.normal(size=n) * math.sqrt(together)
        parts = tuple(
            Sample(0, "", "", "", *(np.arange(n), values, np.arange(n)))
            for values in (
                common + mean + rng.normal(size=n) * math.sqrt(1 - together) for mean in own
            )
        )
        samples.append(replace(join(parts), parts=parts))
    return samples


def _coverage(rng, n_studies, n_seeds, between, together):
    samples = _several_studies(rng, n_studies, n_seeds, between, together)
    found = estimate(samples, n_resamples=100)
    return ((found["ci_low"] <= 0) & (found["ci_high"] >= 0)).mean(), found


@pytest.mark.parametrize("between", [0.0, 0.4])
def test_intervals_of_three_seeds_cover_the_truth(between):
    covered, found = _coverage(np.random.default_rng(1), 400, 3, between, together=0.5)
    tolerance = 2 * math.sqrt(0.05 * 0.95 / 400)
    assert covered >= 0.95 - tolerance
    wrong = (found["p_value"] < 0.05).mean()
    assert wrong <= 0.05 + tolerance
    if between:
        # One seed's interval says nothing about another's adapter.
        z = found["mean"].abs() / np.sqrt(found["se"] ** 2 - found["seed_sd"] ** 2 / 3)
        assert (z < 1.96).mean() < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("between", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("together", [0.2, 0.5, 0.9])
def test_intervals_of_several_seeds_cover_the_truth(n_seeds, between, together):
    covered, _ = _coverage(np.random.default_rng(2), 3000, n_seeds, between, together)
    tolerance = 2 * math.sqrt(0.05 * 0.95 / 3000)
    assert covered >= 0.95 - tolerance
