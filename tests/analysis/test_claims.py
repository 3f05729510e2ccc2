"""The paper's claims on generated studies in which they are true, false or open."""

import numpy as np
import pandas as pd
import pytest
from generated import TUNED, rows, study

from rag_study.analysis.claims import CLAIM_COLUMNS, CLAIMS, claims
from rag_study.report.claim_sentences import claim_sentence

# The mean drop in the context, by data set and train size, as in the paper.
PAPER = {("nq", 200): -0.6, ("nq", 800): -0.7, ("qasper", 200): -1.6, ("qasper", 800): -1.8}


def whole(drops, retention=-0.2, closed=0.0, eased=0.4, metrics=("judge_accuracy",), **options):
    """A study with everything that the claims need; `drops` as PAPER."""
    frames = []
    for number, metric in enumerate(metrics):
        states = []
        for (dataset, size), drop in drops.items():
            own = {"dataset": dataset, "train_size": size}
            states.append(({**own, "top_k": 6}, drop))
            states.append(({**own, "top_k": 3}, drop + eased))
            states.append(({**own, "top_k": 6, "context": "none"}, closed))
            states.append(({**own, "top_k": 3, "context": "none"}, closed))
        frames.append(study(states, metric=metric, seed=number, **options))
    results = frames[0]
    for frame in frames[1:]:
        results = results.assign(**{c: frame[c] for c in frame if c not in results})
    rng = np.random.default_rng(99)
    for run in ({}, TUNED):
        score = rng.binomial(1, 0.8 + bool(run) * retention, 200).astype(float)
        nll = rng.normal(2.0, 0.1, 200) + bool(run) * 0.2
        outside = rows({"knowledge_accuracy": score, "general_text_nll": nll}, "retention", **run)
        results = pd.concat([results, outside.assign(dataset="nq", top_k=3)], ignore_index=True)
    return results


def answers(results, valid=True, contexts=("retrieved",), **options):
    table = claims(results, contexts, {"j": valid}, n_resamples=500, **options)
    assert list(table.columns) == CLAIM_COLUMNS
    assert table["claim"].tolist() == list(CLAIMS)
    assert set(table["answer"]) <= {"supported", "contradicted", "undecided", "not tested"}
    assert table.loc[table["answer"] == "not tested", ["estimate", "ci_low"]].isna().all(axis=None)
    tested = table[table["answer"] != "not tested"]
    assert tested[["estimate", "ci_low", "ci_high"]].notna().all(axis=None)
    table["said"] = [claim_sentence(row) for row in table.to_dict("records")]
    return table.set_index("claim")


def test_claims_that_hold_are_supported():
    both = ("judge_accuracy", "judge_completeness")
    table = answers(whole(PAPER, n=200, metrics=both))
    assert table["answer"].to_dict() == dict.fromkeys(CLAIMS, "supported")
    assert (table["judge"][:6] == "j").all()
    assert table["metric"]["completeness"] == "judge_completeness"
    # Mean over the states of the loss with six passages less than with three.
    assert table["estimate"]["smaller_contexts"] == pytest.approx(0.4, abs=0.1)
    assert table["estimate"]["use_of_context"] == pytest.approx(-1.175 + 0.2, abs=0.15)
    assert table["n_states"]["accuracy"] == 8
    assert "outside the task" in table["said"]["retention"]


def test_claims_that_do_not_hold_are_contradicted():
    rising = {("nq", 200): -0.2, ("nq", 800): 0.5, ("qasper", 200): 0.3, ("qasper", 800): 0.9}
    results = whole(rising, retention=0.05, eased=0.0, n=400)
    outside = results["context"] == "retention"
    results.loc[outside, "general_text_nll"] -= 0.2 * (results["method"] != "none")
    table = answers(results)
    expected = dict.fromkeys(CLAIMS, "contradicted")
    expected |= {"completeness": "not tested", "smaller_contexts": "undecided"}
    assert table["answer"].to_dict() == expected
    assert "No loss with the largest context" in table["said"]["smaller_contexts"]


def of_eight_trainings(change, spread=0.1, searches=1):
    """Eight trainings of which the first changes general text by this much, in some searches."""
    results = whole({("nq", 200): -0.2}, retention=0.05, n=400)
    outside = results["context"] == "retention"
    is_base = results["method"] == "none"
    base, trained = results[outside & is_base], results[outside & ~is_base]
    rng, nll = np.random.default_rng(5), base["general_text_nll"].to_numpy()
    noise = rng.normal(0, spread, 200)
    losses = [change + noise - noise.mean(), *rng.normal(0, 0.01, (7, 200))]
    states = [
        trained.assign(variant=f"rank {rank}", general_text_nll=nll + loss)
        for rank, loss in enumerate(losses, start=1)
    ]
    parts = [part.assign(top_k=3 + n) for n in range(searches) for part in (base, *states)]
    return answers(pd.concat([results[~outside], *parts], ignore_index=True))


def test_what_one_training_loses_outside_the_task_is_not_averaged_away():
    table = of_eight_trainings(0.0)
    assert table["answer"]["retention"] == "contradicted"
    assert "on average over all states" in table["said"]["retention"]
    for searches in (1, 3):
        table = of_eight_trainings(0.2, searches=searches)
        assert table["answer"]["retention"] == "supported"
        assert table["estimate"]["retention"] == pytest.approx(0.2, abs=1e-6)
        assert table["n_states"]["retention"] == 8
        assert "loss that is shown is that of LoRA 50 (rank 1" in table["said"]["retention"]


def test_a_loss_that_is_shown_only_alone_is_not_contradicted_by_the_average():
    table = of_eight_trainings(0.06, spread=0.4)
    assert table["answer"]["retention"] == "undecided"
    assert "LoRA 50 (rank 1, top 3) of small on nq seems to lose" in table["said"]["retention"]
    assert table["estimate"]["retention"] == pytest.approx(0.06, abs=1e-6)


def test_more_data_says_where_each_size_was_trained_once():
    results = whole(PAPER, n=60)
    once = "Each size was trained once"
    assert once in answers(results)["said"]["more_data"]
    trained = results["train_size"] > 0
    again = results[trained & (results["context"] != "retention")].assign(seed=1)
    table = answers(pd.concat([results, again], ignore_index=True))
    assert once not in table["said"]["more_data"]
    assert "train size (200, 800)" in table["said"]["more_data"]


def test_a_general_loss_is_not_one_of_using_the_context():
    results = whole(dict.fromkeys(PAPER, -1.0), closed=-1.0, eased=0.0, n=400)
    table = answers(results)
    assert table["answer"]["use_of_context"] == "contradicted"
    assert table["answer"]["smaller_contexts"] == "contradicted"
    assert table["answer"]["largest_on_qasper"] == "undecided"
    assert table["answer"]["more_data"] == "supported"


def test_few_questions_leave_claims_open():
    table = answers(whole(dict.fromkeys(PAPER, -0.3), n=44, eased=0.0))
    assert (table["answer"][["accuracy", "largest_on_qasper"]] == "undecided").all()
    fewer = answers(whole(PAPER, n=16).query("context != 'retention'"))
    assert set(fewer["answer"]) <= {"undecided", "not tested"}
    assert "8 independent groups" in fewer["said"]["accuracy"]


def test_without_a_valid_judge_the_reference_metrics_are_asked():
    scaled = {key: drop / 4 for key, drop in PAPER.items()}
    metrics = ("answer_recall", "key_point_recall")
    results = whole(scaled, eased=0.1, metrics=metrics, spread=0.2, n=200)
    table = answers(results, valid=False)
    assert (table["judge"] == "").all()
    assert table["metric"]["accuracy"] == "answer_recall"
    assert table["metric"]["completeness"] == "key_point_recall"
    assert table["answer"][["accuracy", "completeness", "above_one_point"]].eq("supported").all()
    assert "a quarter of the scale is 0.25" in table["said"]["above_one_point"]


def test_an_invalid_judge_answers_no_claim():
    table = answers(whole(PAPER), valid=False)
    assert (table.drop("retention")["answer"] == "not tested").all()
    assert "answer recall" in table["said"]["accuracy"]


def test_what_a_study_lacks_is_said():
    small = study([({}, -0.5)], n=100)
    table = answers(small)
    assert table["answer"]["accuracy"] == "supported"
    lacking = table[table["answer"] == "not tested"]["said"]
    assert set(lacking.index) == {
        *("completeness", "largest_on_qasper", "more_data", "use_of_context"),
        *("retention", "smaller_contexts"),
    }
    assert "two train sizes" in lacking["more_data"]
    assert "Qasper" in lacking["largest_on_qasper"]


def test_scores_without_spread_show_nothing():
    same = rows({"judge_accuracy": np.full(50, 3.0)}, judge="j")
    tuned = rows({"judge_accuracy": np.full(50, 3.0)}, judge="j", **TUNED)
    table = answers(pd.concat([same, tuned], ignore_index=True))
    assert table["answer"]["accuracy"] == "undecided"
    assert "chance cannot be judged" in table["said"]["accuracy"]


def test_two_valid_judges_answer_each_for_themselves():
    results = whole(PAPER, n=60)
    other = results[results["judge"] == "j"].assign(judge="k", judge_accuracy=3.0)
    table = claims(
        pd.concat([results, other]), ["retrieved"], {"j": True, "k": True}, n_resamples=200
    )
    assert len(table) == 2 * len(CLAIMS)
    by_judge = table[table["claim"] == "accuracy"].set_index("judge")["answer"]
    assert by_judge.to_dict() == {"j": "supported", "k": "undecided"}


def test_the_spread_between_seeds_enters():
    spread = [({"seed": s}, e) for s, e in enumerate((-1.5, 0.7, -0.4))]
    table = answers(study(spread, n=100))
    assert table["answer"]["accuracy"] == "undecided"
    assert table["n_states"]["accuracy"] == 1
    alike = [({"seed": s}, e) for s, e in enumerate((-0.5, -0.55, -0.6))]
    assert answers(study(alike, n=100))["answer"]["accuracy"] == "supported"


def test_no_results_no_claims():
    table = claims(pd.DataFrame(), ["retrieved"], {})
    assert (list(table.columns), len(table)) == (CLAIM_COLUMNS, 0)


@pytest.mark.slow
def test_without_an_effect_claims_of_a_loss_are_seldom_supported():
    wrong = []
    for seed in range(200):
        states = [({"train_size": n, "context": c}, 0.0) for n in (50, 200) for c in ("none", "r")]
        table = claims(study(states, n=80, seed=seed), ["r"], {"j": True}, n_resamples=200)
        found = table.set_index("claim")["answer"]
        wrong.append(found[["accuracy", "above_one_point", "use_of_context"]] == "supported")
    assert (np.mean(wrong, axis=0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)).all()
