import warnings

import numpy as np
import pytest
from scipy import stats

from rag_study.labelling.prediction_powered import collapse, estimate
from rag_study.labelling.sample import draw_by_stratum, stratify

with warnings.catch_warnings():  # importing it turns all warnings of the process off
    import ppi_py


def sampled(rng, n_questions=200, group_size=1, n_labelled=50, judge="good"):
    """(labels, labels of the base, scores, scores of the base, strata, clusters, drawn) of one
    study whose questions are themselves drawn, by group, from all there could be."""
    n_groups = n_questions // group_size
    groups = np.repeat(np.arange(n_groups), group_size)
    ease = rng.normal(0, 0.6, n_groups)[groups] + rng.normal(0, 1, n_questions)
    latent = {
        "base": ease + rng.normal(0, 0.8, n_questions),
        "tuned": ease - 0.3 + rng.normal(0, 0.8, n_questions),
    }
    people = {name: np.clip(np.round(3.3 + z), 1, 5) for name, z in latent.items()}
    noise = {name: rng.normal(0, 1, n_questions) for name in latent}
    scores = {
        name: {
            "good": np.clip(3.3 + z + 0.4 * noise[name], 1, 5),
            # Too lenient, squeezed, and more lenient with the tuned run's style.
            "biased": 3.6 + 0.25 * z + 0.1 * noise[name] + 0.2 * (name == "tuned"),
            "useless": 3 + 0.1 * noise[name],
        }[judge]
        for name, z in latent.items()
    }
    strata = stratify((scores["base"] + scores["tuned"]) / 2, n_labelled)
    drawn = draw_by_stratum(strata, n_labelled, rng)
    return people, scores, strata, groups, drawn


def hidden(values, drawn):
    return np.where(drawn, values, np.nan)


def test_the_mean_is_that_of_ppi_python():
    people, scores, strata, groups, drawn = sampled(np.random.default_rng(0))
    found = estimate(hidden(people["base"], drawn), scores["base"], strata, groups)
    sizes, labelled = np.bincount(strata), np.bincount(strata[drawn])
    expected = ppi_py.ppi_mean_pointestimate(
        people["base"][drawn],
        scores["base"][drawn],
        scores["base"],
        lam=found.tuning,
        w=(sizes / labelled)[strata][drawn],
    )
    assert len(sizes) > 2
    assert found.tuning > 0
    assert found.mean == pytest.approx(float(expected[0]), abs=1e-12)


def test_the_interval_is_that_of_ppi_python_where_its_assumptions_hold():
    """One stratum, no clusters, and so many questions that the labelled ones are hardly any."""
    rng = np.random.default_rng(1)
    scores = rng.uniform(1, 5, 30_000)
    people = np.clip(np.round(scores + rng.normal(0.5, 0.7, 30_000)), 1, 5)
    drawn = np.arange(30_000) < 300
    one = np.zeros(30_000, dtype=int)
    found = estimate(hidden(people, drawn), scores, one, np.arange(30_000))
    given = people[drawn], scores[drawn], scores
    low, high = ppi_py.ppi_mean_ci(*given, alpha=0.05, lam=found.tuning)
    assert found.low == pytest.approx(float(low[0]), abs=0.002)
    assert found.high == pytest.approx(float(high[0]), abs=0.002)
    # Power tuning: the same weight, where it is below the 1 that PPI++ allows at most.
    assert found.tuning < 1
    tuned = ppi_py.ppi_mean_ci(*given, alpha=0.05)
    assert found.high - found.low == pytest.approx(float(tuned[1][0] - tuned[0][0]), rel=0.01)


def test_labels_alone_are_a_t_interval():
    rng = np.random.default_rng(2)
    people = rng.integers(1, 6, 5_000).astype(float)
    drawn = np.arange(5_000) % 100 == 0
    found = estimate(hidden(people, drawn), None, np.zeros(5_000, dtype=int), np.arange(5_000))
    expected = stats.ttest_1samp(people[drawn], 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(people[drawn].mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=2e-4)
    assert found.tuning == 0


def test_when_everything_is_labelled_the_mean_is_the_mean():
    people, scores, strata, groups, _ = sampled(np.random.default_rng(3))
    found = estimate(people["base"], scores["base"], strata, groups)
    assert found.mean == pytest.approx(people["base"].mean())
    # Nothing is left for the judge to predict.
    assert found == estimate(people["base"], None, strata, groups)


def expected_score(shift):
    """The mean of clip(round(3.3 + shift + z), 1, 5), z normal with variance 2 as in `sampled`."""
    return 1 + sum(stats.norm.sf(k + 0.5 - 3.3 - shift, scale=np.sqrt(2)) for k in range(1, 5))


TRUTH = {"base": expected_score(0), "difference": expected_score(-0.3) - expected_score(0)}


@pytest.mark.parametrize(
    ("judge", "group_size", "narrower"),
    [("good", 1, 0.9), ("biased", 4, 0.95), ("useless", 1, 1.02)],
)
def test_intervals_hold_the_truth_whatever_the_judge(judge, group_size, narrower):
    """Of 400 studies with 50 of 200 questions labelled; a share of 0.95 has an error of 0.011."""
    rng = np.random.default_rng(4)
    found = {name: [] for name in TRUTH}
    for _ in range(400):
        people, scores, strata, groups, drawn = sampled(rng, group_size=group_size, judge=judge)
        values = {
            "base": (people["base"], scores["base"]),
            "difference": (people["tuned"] - people["base"], scores["tuned"] - scores["base"]),
        }
        for name, (labels, predicted) in values.items():
            both, alone = (
                estimate(hidden(labels, drawn), one, strata, groups) for one in (predicted, None)
            )
            found[name].append((both.low, both.high, alone.low, alone.high))
    for name, truth in TRUTH.items():
        low, high, alone_low, alone_high = np.array(found[name]).T
        for ends in ((low, high), (alone_low, alone_high)):
            assert ((ends[0] <= truth) & (truth <= ends[1])).mean() == pytest.approx(0.95, abs=0.03)
        assert (high - low).mean() <= narrower * (alone_high - alone_low).mean()


def test_small_strata_are_joined_with_a_neighbour():
    strata = np.array([0, 0, 1, 2, 2, 3, 3, 4])
    labelled = np.array([1, 1, 1, 1, 0, 1, 1, 1], dtype=bool)
    assert collapse(strata, labelled).tolist() == [0, 0, 1, 1, 1, 2, 2, 2]
    assert collapse(strata, np.zeros(8, dtype=bool)).tolist() == [0] * 8


def test_no_interval_where_the_spread_is_not_known():
    strata, clusters = np.zeros(20, dtype=int), np.arange(20)
    same = hidden(np.full(20, 4.0), clusters < 5)
    for labels in (same, hidden(np.arange(20.0), clusters < 1)):
        found = estimate(labels, np.arange(20.0), strata, clusters)
        assert np.isfinite(found.mean)
        assert np.isnan([found.se, found.low, found.high]).all()


def test_what_cannot_be_estimated_is_refused():
    nothing, one = np.full(4, np.nan), np.array([3.0, np.nan, np.nan, 2.0])
    with pytest.raises(ValueError, match="no question is labelled"):
        estimate(nothing, None, np.zeros(4, dtype=int), np.arange(4))
    with pytest.raises(ValueError, match="has no score"):
        estimate(one, one, np.zeros(4, dtype=int), np.arange(4))
