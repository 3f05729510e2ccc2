"""Scores that are missing: what was lost on each side, and which verdicts survive it."""

import numpy as np
import pandas as pd
import pytest
from study_tables import RUN

from rag_study.analysis.effects import compare
from rag_study.analysis.missing_scores import Lost, lost_words
from rag_study.analysis.pairing import ALL_SEEDS

TUNED = {"method": "lora", "train_format": "closed_book", "train_size": 100}
JUDGE = {"judge_accuracy": 0.25}


def answers(scores, metric="judge_accuracy", judge="j", seed=0, **run):
    n = len(scores)
    return pd.DataFrame(
        {
            **RUN,
            **{"method": "none", "train_format": "none", "train_size": 0, "seed": seed},
            **run,
            "context": "retrieved",
            "question_id": [f"q{i:04d}" for i in range(n)],
            "group": [f"g{i:04d}" for i in range(n)],
            "judge": judge,
            metric: scores,
        }
    )


def verdict_of(*frames, metric="judge_accuracy"):
    table = compare(
        pd.concat(frames, ignore_index=True), ["retrieved"], [metric], [], {"j": True}, 500
    )
    (row,) = table[table["primary"]].to_dict("records")
    return row


def scored(n, effect=0.0, seed=1, spread=0.5):
    rng = np.random.default_rng(seed)
    base = np.clip(rng.normal(3, 1, n), 1, 5)
    return base, np.clip(base + effect + rng.normal(0, spread, n), 1, 5)


@pytest.mark.parametrize("kept", ["better", "worse"])
def test_the_better_half_alone_is_no_benefit(kept):
    base, tuned = scored(60, spread=1.2)
    order = np.argsort(tuned)[:: 1 if kept == "better" else -1]
    tuned[order[:30]] = np.nan
    row = verdict_of(answers(base), answers(tuned, **TUNED))
    assert (row["lost_base"], row["lost_tuned"], row["n_questions"]) == (0, 30, 30)
    assert row["verdict"] == "no verdict"
    assert row["reason"].startswith("30 trained answers have no score: with the worst and the best")
    assert ("“helps”" if kept == "better" else "“hurts”") in row["reason"]
    assert not row["at_least_margin"]


def test_a_large_effect_survives_a_tenth_of_lost_scores():
    base, tuned = scored(200, 1.4, spread=0.3)
    base = np.clip(base, 1, 3)
    tuned = base + 1.4
    tuned[:20] = np.nan
    row = verdict_of(answers(base), answers(tuned, **TUNED))
    assert row["verdict"] == "helps"
    assert (
        "20 trained answers have no score, but this holds whatever they would be" in (row["reason"])
    )


def test_a_few_lost_alike_on_both_sides_need_no_bounds():
    base, tuned = scored(200, 0.5, spread=0.3)
    base[:3], tuned[3:6] = np.nan, np.nan
    row = verdict_of(answers(base), answers(tuned, **TUNED))
    assert (row["lost_base"], row["lost_tuned"], row["n_questions"]) == (3, 3, 194)
    assert row["verdict"] == "helps"
    assert "no score" not in row["reason"]


def test_all_lost_on_one_side_need_bounds_even_when_they_are_few():
    def lost(base_only, tuned_only, both, n=400):
        base, tuned = np.full(n, 3.0), np.full(n, 3.0)
        base[:base_only] = np.nan
        tuned[base_only : base_only + tuned_only] = np.nan
        ends = slice(base_only + tuned_only, base_only + tuned_only + both)
        base[ends] = tuned[ends] = np.nan
        codes = np.arange(n)
        return Lost.of(codes, codes, base, tuned, 1.0, 5.0)

    assert not lost(0, 5, 0).needs_bounds  # p = 2 / 2**5
    assert lost(0, 6, 0).needs_bounds
    assert lost(6, 0, 0).needs_bounds
    assert not lost(10, 10, 0).needs_bounds
    assert lost(10, 11, 0).needs_bounds  # above 5 % of 400
    assert lost(0, 0, 21).needs_bounds
    found = lost(2, 3, 4)
    assert (found.lost_base, found.lost_tuned) == (6, 7)
    assert found.worst.min() == -4.0  # both missing: all of the scale
    assert found.best.max() == 4.0


def test_what_a_metric_does_not_apply_to_is_not_lost():
    n = 100
    base, tuned = np.full(n, 0.4), np.tile([0.35, 0.6, 0.75, 0.5], n // 4)
    base[:40] = tuned[:40] = np.nan  # no short answers: no recall in any run
    tuned[40] = np.nan  # a refused answer has none either, but another run has one here
    frames = [
        answers(base, "answer_recall", "", **{}),
        answers(tuned, "answer_recall", "", **TUNED),
    ]
    row = verdict_of(*frames, metric="answer_recall")
    assert (row["lost_base"], row["lost_tuned"], row["n_questions"]) == (0, 1, 59)


def test_no_difference_does_not_survive_what_could_be_anything():
    base, tuned = scored(400, 0.0, spread=0.05)
    tuned[:60] = np.nan
    row = verdict_of(answers(base), answers(tuned, **TUNED))
    assert row["verdict"] == "no verdict"
    assert "“no difference that matters” does not hold" in row["reason"]


def test_several_seeds_lose_together():
    base, _ = scored(80)
    frames = [answers(base)]
    for seed in range(3):
        _, tuned = scored(80, 1.0, seed=1, spread=0.2 + 0.01 * seed)
        tuned[np.argsort(tuned)[:30]] = np.nan
        frames.append(answers(tuned, seed=seed, **TUNED))
    row = verdict_of(*frames)
    assert (row["seed"], row["lost_tuned"]) == (ALL_SEEDS, 90)
    assert row["verdict"] == "no verdict"


def test_a_side_without_any_score_is_said_and_not_only_left_out():
    base, _ = scored(30)
    results = pd.concat([answers(base), answers(np.full(30, np.nan), **TUNED)], ignore_index=True)
    table = compare(results, ["retrieved"], ["judge_accuracy"], [], {"j": True}, 200)
    assert table.empty
    (said,) = table.attrs["skipped"]
    assert "no question has scores of accuracy (judge) by j on both sides" in said


def test_what_was_lost_in_words():
    assert lost_words({"lost_tuned": 1, "lost_base": 0}) == "1 trained answer has no score"
    assert lost_words({"lost_tuned": 2, "lost_base": 1}) == (
        "2 trained answers and 1 base answer have no score"
    )


def test_a_question_that_no_state_answered_is_lost_on_both_sides():
    """The server refused it for every state, so that no run tells whether the metric applies."""
    values = np.tile([0.0, 1.0], 50)
    values[:8] = np.nan
    frames = [answers(values, "answer_recall"), answers(values, "answer_recall", **TUNED)]
    whole = pd.concat(frames, ignore_index=True).assign(missing_reason=None)
    row = compare(whole, ["retrieved"], [], ["answer_recall"], {}, 500).iloc[0]
    assert (row["lost_base"], row["lost_tuned"]) == (0, 0)  # the metric does not apply to them
    whole.loc[whole["answer_recall"].isna(), "missing_reason"] = "a filter"
    row = compare(whole, ["retrieved"], [], ["answer_recall"], {}, 500).iloc[0]
    assert (row["n_questions"], row["lost_base"], row["lost_tuned"]) == (92, 8, 8)


def test_a_score_that_is_infinite_is_missing():
    base, tuned = scored(60)
    tuned[[3, 7]] = np.inf, -np.inf
    row = verdict_of(answers(base), answers(tuned, **TUNED))
    assert (row["n_questions"], row["lost_tuned"]) == (58, 2)
    assert np.isfinite(row["ci_low"])


@pytest.mark.parametrize("n_seeds", [2, 3])
def test_a_seed_without_any_score_takes_the_verdict_of_the_others(n_seeds):
    """Its answers may be what no judge could grade."""
    base, tuned = scored(60, 1.2, spread=0.3)
    frames = [answers(tuned + 0.01 * seed, seed=seed, **TUNED) for seed in range(n_seeds)]
    assert verdict_of(answers(base), *frames)["verdict"] == "helps"
    frames[-1]["judge_accuracy"] = np.nan
    row = verdict_of(answers(base), *frames)
    assert row["verdict"] == "no verdict"
    assert row["reason"].startswith(f"no question of seed {n_seeds - 1} has scores on both sides")
