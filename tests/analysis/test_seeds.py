"""What several recipes teach about the spread between seeds."""

import numpy as np
import pandas as pd
import pytest

from rag_study.analysis.seeds import moderated, with_spread_of_seeds


def frame(sd, n_seeds=3, mean=0.4):
    rows = {"mean": mean, "se": 0.08, "df": 49.0, "n_seeds": n_seeds, "seed_sd": sd}
    return pd.DataFrame(rows | {"ci_low": np.nan, "ci_high": np.nan, "p_value": 0.0})


def test_a_recipe_alone_keeps_its_own_spread():
    spread, df = moderated(np.array([0.1, 0.3]), np.array([2.0, 2.0]), [("a",), ("b",)])
    assert spread.tolist() == [0.1, 0.3]
    assert df.tolist() == [2.0, 2.0]


def test_recipes_that_spread_alike_share_what_they_know():
    own = np.array([0.1, 0.1, 0.11, 0.09])
    spread, df = moderated(own, np.full(4, 2.0), [("m",)] * 4)
    assert spread == pytest.approx(np.full(4, np.sqrt((own**2).mean())))
    # Its own two degrees of freedom, and half of the six of the others.
    assert df.tolist() == [5.0] * 4


def test_a_recipe_that_spreads_more_answers_for_itself():
    own = np.array([0.05, 0.06, 0.05, 0.9])
    spread, df = moderated(own, np.full(4, 2.0), [("m",)] * 4)
    assert spread[3] == 0.9
    assert df[3] == 2.0


def test_two_seeds_neither_lend_nor_borrow():
    own = np.array([0.1, 0.12, 0.1, 0.02])
    spread, df = moderated(own, np.array([2.0, 2.0, 2.0, 1.0]), [("m",)] * 4)
    assert (spread[3], df[3]) == (0.02, 1.0)
    assert df[:3].tolist() == [4.0] * 3


def test_sharing_narrows_intervals_where_seeds_are_few():
    alone = with_spread_of_seeds(frame([0.1, 0.1, 0.1]), [(), (), ()])
    shared = with_spread_of_seeds(frame([0.1, 0.1, 0.1]), [("m",)] * 3)
    assert ((shared["ci_high"] - shared["ci_low"]) < (alone["ci_high"] - alone["ci_low"])).all()
    assert (shared["p_value"] < alone["p_value"]).all()
    assert shared["se"].tolist() == pytest.approx(alone["se"].tolist())


def test_seeds_without_spread_are_no_reason_to_trust_them_more():
    found = with_spread_of_seeds(frame([0.0, 0.0, 0.3]), [("m",)] * 3)
    assert found["se"].iloc[0] == pytest.approx(0.08)
    assert found["df"].between(2, 49).all()


def family(rng, spreads, n_seeds, n):
    """Means, errors and spreads (n * families) of a true mean of 0."""
    spreads = np.tile(spreads, n)
    parts = rng.normal(0, np.sqrt(spreads[:, None] ** 2 + 0.006), (len(spreads), n_seeds))
    parts += rng.normal(0, 0.08, (len(spreads), 1))
    se = np.sqrt((0.0064 + 0.006 / n_seeds) * rng.chisquare(49, len(spreads)) / 49)
    table = frame(parts.std(axis=1, ddof=1), n_seeds, parts.mean(axis=1)).assign(se=se)
    return table, [("m", i) for i in np.repeat(np.arange(n), len(spreads) // n)]


@pytest.mark.parametrize("spreads", [(0.1,) * 4, (0.2,) * 4, (0.05, 0.05, 0.05, 0.3)])
def test_intervals_of_few_seeds_hold_the_truth(spreads):
    table, keys = family(np.random.default_rng(6), spreads, 3, 150)
    found = with_spread_of_seeds(table, keys)
    held = (found["ci_low"] <= 0) & (found["ci_high"] >= 0)
    assert held.mean() >= 0.94
    assert held.to_numpy().reshape(-1, 4).mean(axis=0).min() >= 0.88
