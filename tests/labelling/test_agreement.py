import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from rag_study.labelling.agreement import STATISTICS, agree


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    people = rng.integers(1, 6, 60).astype(float)
    judge = np.clip(people + rng.normal(0, 1.2, 60), 1, 5)
    return people, judge


def measured(people, judge, weights):
    """The point estimates alone: with one cluster there is no interval."""
    found = agree(people, judge, weights, np.zeros(len(people)))
    assert np.isnan(found["spearman_low"])
    return [found[name] for name in STATISTICS]


def expected(people, judge, weights=None):
    rounded = np.round(judge).astype(int)
    kappa = cohen_kappa_score(
        people.astype(int), rounded, weights="quadratic", labels=range(1, 6), sample_weight=weights
    )
    return [stats.spearmanr(people, judge)[0], stats.kendalltau(people, judge)[0], kappa]


def test_equal_weights_give_the_statistics_of_scipy_and_scikit_learn(scores):
    people, judge = scores
    assert measured(people, judge, np.ones(60)) == pytest.approx(expected(people, judge))
    # Ties on both sides, and another unit of the weights.
    tied = np.round(judge)
    assert measured(people, tied, np.full(60, 2.5)) == pytest.approx(expected(people, tied))


def test_a_weight_counts_like_so_many_answers(scores):
    people, judge = scores
    times = np.random.default_rng(1).integers(1, 5, 60)
    repeated = np.repeat(people, times), np.repeat(judge, times)
    assert measured(people, judge, times.astype(float)) == pytest.approx(expected(*repeated))
    kappa = expected(people, judge, times)[2]
    assert measured(people, judge, times.astype(float))[2] == pytest.approx(kappa)


def test_weights_undo_a_sample_that_is_not_like_all_answers():
    """A tenth of the good answers but every bad one: the figures are those of all answers."""
    rng = np.random.default_rng(2)
    people = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], 4_000, p=[0.05, 0.05, 0.1, 0.3, 0.5])
    judge = np.clip(people + rng.normal(0, 1, 4_000), 1, 5)
    chance = np.where(judge > 3, 0.1, 1.0)
    drawn = rng.random(4_000) < chance
    everything = expected(people, judge)
    weighted = measured(people[drawn], judge[drawn], 1 / chance[drawn])
    plain = expected(people[drawn], judge[drawn])
    assert weighted == pytest.approx(everything, abs=0.05)
    assert plain[0] > everything[0] + 0.05


def test_intervals_hold_the_statistic_and_are_the_same_each_time(scores):
    people, judge = scores
    given = people, judge, np.ones(60), np.arange(60)
    found = agree(*given)
    for name in STATISTICS:
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found == agree(*given)
    # Another way to an interval of Spearman's correlation: Fisher's z (Bonett and Wright 2000).
    r = found["spearman"]
    half = 1.96 * np.sqrt((1 + r**2 / 2) / 57)
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    assert found["spearman_low"] == pytest.approx(low, abs=0.08)
    assert found["spearman_high"] == pytest.approx(high, abs=0.08)


def test_answers_of_one_group_are_not_independent(scores):
    people, judge = scores
    twice = np.repeat(people, 4), np.repeat(judge, 4), np.ones(240)
    apart, together = agree(*twice, np.arange(240)), agree(*twice, np.repeat(np.arange(60), 4))

    def width(found):
        return found["kendall_high"] - found["kendall_low"]

    assert width(together) == pytest.approx(2 * width(apart), rel=0.25)


def test_one_score_only_has_no_order(scores):
    _, judge = scores
    found = agree(np.full(60, 4.0), judge, np.ones(60), np.arange(60))
    assert np.isnan(list(found.values())).all()


def test_a_metric_on_another_scale_has_no_kappa(scores):
    people, judge = scores
    found = agree(people, judge / 5, np.ones(60), np.arange(60), same_scale=False)
    assert "kappa" not in found
    assert found["spearman"] == pytest.approx(expected(people, judge)[0])
