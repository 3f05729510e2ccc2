"""Effects at equal answer length, with a known share of length."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from generated import TUNED, rows

from rag_study.analysis.effects import compare
from rag_study.analysis.estimates import Sample, join
from rag_study.analysis.length_adjustment import (
    STYLE_COLUMNS,
    _regression,
    _with_intervals,
    length_adjusted,
)


def answered(per_word, substance, shorter=8.0, n=200, seed=0, spread=0.05, groups=None):
    """Answers that became shorter; token F1 moves with every word, and by `substance` besides."""
    rng = np.random.default_rng(seed)
    length = rng.integers(5, 30, n).astype(float)
    change = -np.round(rng.normal(shorter, 4, n))
    base = rng.normal(0.5, 0.1, n)
    tuned = base + substance + per_word * change + rng.normal(0, spread, n)
    own = {"groups": groups or [f"g{i // 2}" for i in range(n)]}
    return pd.concat(
        [
            rows({"token_f1": base, "answer_length": length}, **own),
            rows({"token_f1": tuned, "answer_length": length + change}, **own, **TUNED),
        ],
        ignore_index=True,
    )


def adjusted(results):
    comparisons = compare(results, [], ["token_f1"], [], {}, n_resamples=500)
    table = length_adjusted(results, comparisons)
    assert list(table.columns) == STYLE_COLUMNS
    (row,) = table.to_dict("records")
    return row


def test_length_that_explains_everything_and_length_that_explains_nothing():
    row = adjusted(answered(per_word=-0.02, substance=0.0))
    assert row["share_by_length"] == pytest.approx(1.0, abs=0.15)
    assert row["ci_low"] < 0 < row["ci_high"]
    assert row["per_word"] == pytest.approx(-0.02, abs=0.003)
    row = adjusted(answered(per_word=0.0, substance=-0.2))
    assert row["share_by_length"] == pytest.approx(0.0, abs=0.1)
    assert row["adjusted"] == pytest.approx(-0.2, abs=0.03)
    assert row["ci_high"] < 0


def test_numbers_are_those_of_the_regression():
    results = answered(per_word=-0.02, substance=0.1, n=80)
    row = adjusted(results)
    wide = results.pivot(index=["question_id", "group"], columns="method")
    data = pd.DataFrame(
        {
            "y": wide["token_f1"]["lora"] - wide["token_f1"]["none"],
            "x": wide["answer_length"]["lora"] - wide["answer_length"]["none"],
        }
    ).reset_index()
    groups = pd.factorize(data["group"])[0]
    fit = smf.ols("y ~ x", data).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert row["adjusted"] == pytest.approx(fit.params["Intercept"])
    ends = fit.conf_int().loc["Intercept"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(ends))
    assert row["difference"] == pytest.approx(data["y"].mean())
    assert row["by_length"] == pytest.approx(fit.params["x"] * data["x"].mean())
    assert row["length_difference"] == pytest.approx(data["x"].mean())


def test_there_is_no_share_of_what_may_be_nothing():
    row = adjusted(answered(per_word=0.0, substance=0.0))
    assert np.isnan(row["share_by_length"])
    assert not np.isnan(row["adjusted"])


def test_answers_of_equal_length_may_not_have_been_seen():
    assert adjusted(answered(-0.02, 0.0, shorter=30.0))["extrapolated"]
    assert not adjusted(answered(-0.02, 0.0, shorter=2.0))["extrapolated"]


def test_what_cannot_be_adjusted_has_no_number():
    few = adjusted(answered(-0.02, 0.0, n=40, groups=[f"g{i % 19}" for i in range(40)]))
    assert few["n_clusters"] == 19
    alike = answered(-0.02, 0.0)
    alike.loc[alike["method"] != "none", "answer_length"] = (
        alike.loc[alike["method"] == "none", "answer_length"].to_numpy() - 3
    )
    for row in (few, adjusted(alike)):
        assert np.isnan([row["adjusted"], row["per_word"], row["share_by_length"]]).all()
        assert not np.isnan(row["difference"])


def test_without_lengths_or_results_the_table_is_empty():
    results = answered(-0.02, 0.0)
    comparisons = compare(results, [], ["token_f1"], [], {}, n_resamples=200)
    for given in (results.drop(columns="answer_length"), results.iloc[:0]):
        table = length_adjusted(given, comparisons)
        assert (list(table.columns), len(table)) == (STYLE_COLUMNS, 0)


@pytest.mark.parametrize(
    ("n_seeds", "spread", "n_studies"),
    [
        (3, 0.1, 40),
        pytest.param(3, 0.02, 300, marks=pytest.mark.slow),
        pytest.param(3, 0.1, 300, marks=pytest.mark.slow),
        pytest.param(5, 0.1, 300, marks=pytest.mark.slow),
    ],
)
def test_intervals_at_equal_length_hold_the_spread_between_seeds(n_seeds, spread, n_studies):
    held = []
    rng = np.random.default_rng([8, n_seeds])
    for _ in range(n_studies):
        seeds = []
        base_length, length = rng.normal(20, 4, 80), rng.normal(14, 4, 80)
        for seed in range(n_seeds):
            shift = 0.05 + rng.normal(0, spread)
            change = length - base_length + rng.normal(0, 1, 80)
            values = shift + 0.02 * change + rng.normal(0, 0.15, 80)
            codes = np.arange(80)
            seeds.append(
                Sample(seed, "", "token_f1", "", codes, values, codes // 2, {"length": change})
            )
        whole = replace(join(seeds), parts=tuple(seeds), spread_of=("token_f1",))
        table = _with_intervals(pd.DataFrame([_regression(whole)]), [whole])
        held.append(table["ci_low"][0] <= 0.05 <= table["ci_high"][0])
        assert table["adjusted"][0] == pytest.approx(
            sm.OLS(whole.values, sm.add_constant(whole.beside["length"])).fit().params[0]
        )
    assert np.mean(held) >= 0.93


def test_nothing_that_changed_is_not_adjusted():
    row = adjusted(answered(per_word=0.0, substance=0.0, spread=0.0))
    assert np.isnan(row["adjusted"])
    assert np.isnan(row["ci_low"])


@pytest.mark.parametrize("of", ["answer_length", "token_f1"])
def test_a_few_answers_that_changed_are_no_line(of):
    """Any line fits two points: it would have an interval of width zero."""
    results = answered(-0.02, 0.1, n=60, groups=[f"g{i}" for i in range(60)])
    base, tuned = (results["method"] == "none"), (results["method"] != "none")
    same = results.loc[base, of].to_numpy().copy()
    same[[4, 9]] += 3.0
    results.loc[tuned, of] = same
    row = adjusted(results)
    assert np.isnan([row["adjusted"], row["ci_low"], row["per_word"], row["per_word_low"]]).all()
