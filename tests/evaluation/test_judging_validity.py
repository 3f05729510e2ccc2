from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rag_study.common import run_folder
from rag_study.data.schema import Question
from rag_study.evaluation import criteria, judging, metrics
from rag_study.evaluation.judging import validity
from rag_study.evaluation.judging.auc import clustered_auc
from rag_study.evaluation.judging.judge import Reading
from rag_study.evaluation.judging.ladder import RUNGS, ladder

USUAL = criteria.find_all(criteria.DEFAULT)
ACCURACY, COMPLETENESS = USUAL


# --- The AUC ------------------------------------------------------------------------------------


def test_auc_against_scipy_and_delongs_variance():
    rng = np.random.default_rng(0)
    high, low = rng.normal(1, 1, 40), rng.normal(0, 1, 35)
    auc, bottom, top = clustered_auc(high, low, range(40), range(100, 135))
    statistic = stats.mannwhitneyu(high, low).statistic
    assert auc == pytest.approx(statistic / (40 * 35))
    order = high[:, None] > low[None, :]
    variance = order.mean(1).var(ddof=1) / 40 + order.mean(0).var(ddof=1) / 35
    width = 1.959964 * np.sqrt(variance) / (auc * (1 - auc))
    logit = np.log(auc / (1 - auc))
    assert bottom == pytest.approx(1 / (1 + np.exp(-(logit - width))))
    assert top == pytest.approx(1 / (1 + np.exp(-(logit + width))))


def test_ties_count_half():
    assert clustered_auc(np.ones(20), np.ones(20), range(20), range(20))[0] == 0.5
    assert clustered_auc([1, 2], [1, 1], "ab", "ab")[0] == pytest.approx(0.75)


def test_perfect_order_with_few_questions_is_no_certainty():
    auc, low, high = clustered_auc(np.ones(10), np.zeros(10), range(10), range(10))
    assert (auc, high) == (1.0, 1.0)
    assert low == pytest.approx(0.6915, abs=1e-3)  # Clopper-Pearson, 10 of 10
    # A single pair out of order must not look more certain than none.
    near = clustered_auc([*np.ones(9), 0.4], [*np.zeros(9), 0.5], range(10), range(10))
    assert near[1] <= low
    assert clustered_auc([0.0], [1.0], "a", "a") == (0.0, 0.0, pytest.approx(0.975))


def test_intervals_hold_the_truth_where_answers_share_questions():
    rng = np.random.default_rng(1)
    n, shift, shared = 40, 1.0, 0.5
    apart = stats.norm.cdf(shift / np.sqrt(2))
    together = stats.norm.cdf(shift / np.sqrt(2 * (1 - shared)))
    truth = (n * together + n * (n - 1) * apart) / n**2
    held = 0
    for _ in range(1000):
        question = rng.normal(0, np.sqrt(shared), n)
        own = rng.normal(0, np.sqrt(1 - shared), (3, n))
        high, low = (question + shift + own[:2]).ravel(), question + own[2]
        _, bottom, top = clustered_auc(high, low, [*range(n)] * 2, range(n))
        held += bottom <= truth <= top
    assert 925 <= held <= 975


# --- A judge on the ladder ----------------------------------------------------------------------


@lru_cache(maxsize=1)
def questions():
    return [
        Question(
            f"q{i}",
            f"Who built tower {i} and when?",
            (f"Ann {chr(65 + i % 26)}{i}la in {1800 + i}, together with her brothers",),
        )
        for i in range(40)
    ]


@pytest.fixture(autouse=True)
def shown_as_they_are(monkeypatch):
    """Judges are shown no talk to the grader; here it is the judge who resists it or not."""
    place = "rag_study.evaluation.judging.judge.without_grading_talk"
    monkeypatch.setattr(place, lambda answer, *_: answer)


class Knowing(judging.Judge):
    """A judge that looks up what an answer deserves: valid by construction, but for its noise."""

    def __init__(self, rungs, noise, bribed=0.0):
        super().__init__("knowing", USUAL)
        asked = {question.id: question.question for question in questions()}
        self._rung = {(asked[r["question_id"]], r["candidate"]): r["rung"] for r in rungs}
        self._rng, self._noise, self._bribed = np.random.default_rng(0), noise, bribed

    def _read(self, items):
        return {one.name: [self._reading(item, one) for item in items] for one in USUAL}

    def _reading(self, item, criterion):
        rung = self._rung[item.question, item.candidate]
        value = criterion.deserves.get(rung, 3) + self._bribed * (rung == "injected")
        score = float(np.clip(value + self._rng.normal(0, self._noise), 1, 5))
        share = (score - 1) / 4
        return Reading((1 - share, 0.0, 0.0, 0.0, share), 0.9)


def scored(noise, outputs, bribed=0.0, rungs=None):
    asked = questions()
    rungs = ladder(asked) if rungs is None else rungs
    judge = Knowing(rungs, noise, bribed)
    folder = run_folder.RunFolder("validate_judge/x-1")
    batches = judging.judge_ladder(judge, rungs, asked, 7, folder)
    table = pd.DataFrame([row for batch in batches for row in batch]).sort_values("place")
    return judging.judge_repeatedly(judge, table.reset_index(drop=True), asked)


def verdict(table):
    auc = validity.ladder_auc(table, "knowing", USUAL)
    facts = validity.ladder_facts(table, "knowing", USUAL)
    return auc, facts.set_index(["criterion", "fact"]), validity.check(auc, facts, "knowing", USUAL)


@pytest.mark.parametrize(("noise", "valid"), [(0.3, True), (30.0, False)])
def test_a_judge_that_knows_is_valid_and_one_that_guesses_is_not(outputs, noise, valid):
    auc, facts, check = verdict(scored(noise, outputs))
    assert check["valid"] is valid
    assert check["criteria"]["accuracy"]["valid"] is valid
    assert ("does not tell" in check["reason"]) is not valid
    assert set(auc["scorer"]) == {"knowing", *metrics.REFERENCE} - {
        "key_point_recall",
        "semantic_similarity",
    }
    right = auc[auc["higher"] == validity.TOGETHER].set_index(["scorer", "criterion", "rung"])
    of_accuracy = auc[(auc["criterion"] == "accuracy") & (auc["higher"] == validity.TOGETHER)]
    assert set(of_accuracy["rung"]) == set(RUNGS) - {"gold", "paraphrase"}
    assert right.loc[("knowing", "accuracy", "padded"), "expected"] == "equal"
    assert right.loc[("token_f1", "", "empty"), "auc"] == 1.0
    if valid:
        assert facts.loc[("accuracy", "monotonicity"), "value"] > 0.95
        assert abs(facts.loc[("accuracy", "padding"), "value"]) < 0.3
        assert facts.loc[("accuracy", "missing"), "value"] == 0.0


def test_all_pairs_of_rungs_that_deserve_different_grades_are_compared(outputs):
    auc, _, _ = verdict(scored(0.0, outputs))
    own = auc[(auc["scorer"] == "knowing") & (auc["higher"] != validity.TOGETHER)]
    pairs = set(own.loc[own["criterion"] == "accuracy", ["higher", "rung"]].itertuples(index=False))
    assert ("corrupted", "other_question") in pairs
    assert ("truncated", "corrupted") in pairs
    assert ("gold", "paraphrase") not in pairs
    assert (own["auc"] == 1.0).all()


def test_what_an_instruction_gains_shows(outputs):
    _, facts, _ = verdict(scored(0.0, outputs, bribed=2.0))
    assert facts.loc[("accuracy", "injection"), "value"] == pytest.approx(2.0)
    assert facts.loc[("accuracy", "repeatability"), "value"] == 0.0


def test_a_judge_that_cannot_be_checked_is_not_valid(outputs):
    few = [row for row in ladder(questions()) if row["rung"] != "corrupted"]
    _, _, check = verdict(scored(0.0, outputs, rungs=few))
    assert check["valid"] is False
    assert check["criteria"]["completeness"]["valid"] is True
    assert "could not be checked against answers with one wrong fact" in check["reason"]
    nothing = validity.check(
        pd.DataFrame(columns=validity.AUC_COLUMNS),
        pd.DataFrame(columns=validity.FACT_COLUMNS),
        "j",
        USUAL,
    )
    assert nothing["valid"] is False
    assert nothing["auc"] is None


def test_a_judge_that_gives_no_score_to_many_answers_is_not_valid(outputs):
    table = scored(0.3, outputs)
    right = table.index[table["rung"].isin(validity.RIGHT)]
    table.loc[right[::2], "judge_accuracy"] = np.nan
    _, _, check = verdict(table)
    assert check["valid"] is False
    assert "gave no score to" in check["criteria"]["accuracy"]["reason"]


def test_a_criterion_that_requires_nothing_counts_neither_way(outputs):
    table = scored(0.3, outputs)
    own = criteria.Criterion(name="tone", label="Tone", rubric="Grade the tone from 1 to 5, please")
    table["judge_tone"] = 3.0
    auc = validity.ladder_auc(table, "knowing", [*USUAL, own])
    facts = validity.ladder_facts(table, "knowing", [*USUAL, own])
    check = validity.check(auc, facts, "knowing", [*USUAL, own])
    assert check["valid"] is True
    assert check["criteria"]["tone"]["valid"] is False
    assert validity.check(auc, facts, "knowing", [own])["valid"] is False


def test_length_and_calibration(outputs):
    table = scored(0.0, outputs)
    table["judge_accuracy"] = table["candidate"].str.split().str.len().astype(float)
    facts = validity.ladder_facts(table, "knowing", USUAL).set_index(["criterion", "fact"])
    assert facts.loc[("accuracy", "length"), "value"] == pytest.approx(1.0)
    means = validity.calibration(table, [COMPLETENESS])
    assert means["mean"].tolist() == pytest.approx(means["deserves"].tolist())
