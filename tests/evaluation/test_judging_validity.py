from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rag_study.common import run_folder
from rag_study.data.schema import Question
from rag_study.evaluation import criteria, judging, metrics
from rag_study.evaluation.judging import requirements, validity
from rag_study.evaluation.judging.auc import clustered_auc
from rag_study.evaluation.judging.judge import Reading
from rag_study.evaluation.judging.ladder import RIGHT_RUNGS, RUNGS, ladder

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
    """The rungs as they were made: here it is the judge who sees through their form or does not."""
    place = "rag_study.evaluation.judging.judge"
    monkeypatch.setattr(f"{place}.without_grading_talk", lambda answer, *_: answer)
    monkeypatch.setattr(f"{place}.cleaned", lambda answer, *_: answer)
    monkeypatch.setattr(f"{place}.same", lambda *_: False)  # no rule for what is equal


class Knowing(judging.Judge):
    """A judge that looks up what an answer deserves: valid by construction, but for its noise."""

    def __init__(self, rungs, noise, moved=None):
        super().__init__("knowing", USUAL)
        asked = {question.id: question.question for question in questions()}
        self._rung = {(asked[r["question_id"]], r["candidate"]): r["rung"] for r in rungs}
        self._rng, self._noise, self._moved = np.random.default_rng(0), noise, moved or {}

    def _read(self, items):
        return {one.name: [self._reading(item, one) for item in items] for one in USUAL}

    def _reading(self, item, criterion):
        rung = self._rung[item.question, item.candidate]
        value = criterion.deserves.get(rung, 3) + self._moved.get(rung, 0)
        score = float(np.clip(value + self._rng.normal(0, self._noise), 1, 5))
        share = (score - 1) / 4
        return Reading((1 - share, 0.0, 0.0, 0.0, share), 0.9)


def scored(noise, outputs, moved=None, rungs=None):
    asked = questions()
    rungs = ladder(asked) if rungs is None else rungs
    judge = Knowing(rungs, noise, moved)
    folder = run_folder.RunFolder("validate_judge/x-1")
    batches = judging.judge_ladder(judge, rungs, asked, 7, folder)
    table = pd.DataFrame([row for batch in batches for row in batch]).sort_values("place")
    return judging.judge_repeatedly(judge, table.reset_index(drop=True), asked)


def verdict(table):
    auc = validity.ladder_auc(table, "knowing", USUAL)
    facts = validity.ladder_facts(table, "knowing", USUAL)
    return (
        auc,
        facts.set_index(["criterion", "fact"]),
        requirements.check(auc, facts, "knowing", USUAL),
    )


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
    told = validity.against_right_or_wrong(auc)
    told = told[told["criterion"] == "accuracy"]
    against_wrong = told[told["rung"] == validity.WRONG]
    possible = {"name_form", "name_wrong", "specific", "other_answer"}  # not in these data
    assert set(against_wrong["higher"]) == {*RIGHT_RUNGS, "truncated"} - possible
    against_right = set(told["rung"]) - {validity.WRONG}
    expected = {"gold", "paraphrase", "truncated", *RIGHT_RUNGS, *possible}
    assert against_right == set(RUNGS) - expected
    assert (told["expected"] == "above").all()
    assert (told["share"] == 1).all()
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
    assert not pairs & {("gold", "number_wrong"), ("number_form", "number_wrong")}
    assert ("gold", "paraphrase") not in pairs
    assert (own["auc"] == 1.0).all()


def test_what_an_instruction_gains_shows(outputs):
    _, facts, check = verdict(scored(0.0, outputs, {"injected": 2.0}))
    assert facts.loc[("accuracy", "injection"), "value"] == pytest.approx(2.0)
    assert facts.loc[("accuracy", "repeatability"), "value"] == 0.0
    assert check["valid"] is False
    assert "fails on injections: something for the grader moves a wrong" in check["reason"]
    assert check["criteria"]["accuracy"]["families"]["injections"] == "fails"


def test_a_judge_that_cannot_be_checked_is_not_valid(outputs):
    few = [row for row in ladder(questions()) if row["rung"] != "corrupted"]
    _, _, check = verdict(scored(0.0, outputs, rungs=few))
    assert check["valid"] is False
    assert check["criteria"]["completeness"]["valid"] is True
    assert "could not be checked against answers with one wrong fact (0)" in check["reason"]
    nothing = requirements.check(
        pd.DataFrame(columns=validity.AUC_COLUMNS),
        pd.DataFrame(columns=validity.FACT_COLUMNS),
        "j",
        USUAL,
    )
    assert nothing["valid"] is False
    assert nothing["auc"] is None


def test_a_judge_that_gives_no_score_to_many_answers_is_not_valid(outputs):
    table = scored(0.3, outputs)
    table.loc[table.index[::4], "judge_accuracy"] = np.nan
    _, _, check = verdict(table)
    assert check["valid"] is False
    assert "gave no score to" in check["criteria"]["accuracy"]["reason"]


def test_a_criterion_that_requires_nothing_counts_neither_way(outputs):
    table = scored(0.3, outputs)
    own = criteria.Criterion(name="tone", label="Tone", rubric="Grade the tone from 1 to 5, please")
    table["judge_tone"] = 3.0
    auc = validity.ladder_auc(table, "knowing", [*USUAL, own])
    facts = validity.ladder_facts(table, "knowing", [*USUAL, own])
    check = requirements.check(auc, facts, "knowing", [*USUAL, own])
    assert check["valid"] is True
    assert check["criteria"]["tone"]["valid"] is False
    assert "families" not in check["criteria"]["tone"]
    assert check["fails"] == ""
    assert requirements.check(auc, facts, "knowing", [own])["valid"] is False


# The AUCs alone would not show these.
@pytest.mark.parametrize(
    ("rung", "by", "family"),
    [
        ("number_wrong", 2.0, "numbers"),
        ("number_form", -0.6, "numbers"),
        ("form", -0.6, "forms"),
        ("nothing", 4.0, "surroundings"),
        ("among_others", 0.5, "surroundings"),
    ],
)
def test_a_judge_that_passes_on_general_rungs_and_fails_on_a_family(outputs, rung, by, family):
    _, _, check = verdict(scored(0.1, outputs, {rung: by}))
    general = check["criteria"]["accuracy"]["families"].pop("general")
    assert general == "passes"
    failing = [name for name, state in check["criteria"]["accuracy"]["families"].items()
               if state == "fails"]  # fmt: skip
    assert failing == [family]
    assert check["valid"] is False
    assert f"fails on {family}" in check["reason"]
    assert check["fails"] == family
    assert (check["auc_low"] < 0.8) == (rung in ("nothing", "number_wrong"))


def test_what_is_rare_in_the_data_counts_neither_way(outputs):
    """A judge that fails on numbers grades answers of which few have any."""
    table = scored(0.1, outputs, {"number_wrong": 2.0})
    table.loc[table["rung"].isin(["number_form", "number_wrong"]), "share"] = 0.09
    _, _, check = verdict(table)
    assert check["criteria"]["accuracy"]["families"]["numbers"] == "fails, but is rare here"
    assert (
        "fails on numbers, of which there are few here" in check["criteria"]["accuracy"]["reason"]
    )
    assert check["valid"] is True
    assert check["auc_low"] >= 0.8


def test_a_family_with_few_questions_is_not_checked_and_counts_neither_way(outputs):
    few = ladder(questions())
    seen = [row for row in few if row["rung"] == "number_wrong"][19:]
    gone = [row for row in few if row["rung"].startswith("number_form")]
    kept = [row for row in few if row not in seen and row not in gone]
    _, _, check = verdict(scored(0.1, outputs, {"number_wrong": 2.0}, kept))
    assert check["valid"] is True
    accuracy = check["criteria"]["accuracy"]
    assert accuracy["families"]["numbers"] == "not checked"
    assert "wrong numbers (19)" in accuracy["reason"]
    assert "right numbers written otherwise (0)" in accuracy["reason"]
    assert "of which 20 questions are needed" in accuracy["reason"]


def test_half_of_an_answer_above_the_whole_one(outputs):
    table = scored(0.0, outputs)
    table.loc[table["rung"].isin(validity.RIGHT), "judge_accuracy"] = 4.8
    _, facts, check = verdict(table)
    assert facts.loc[("accuracy", "half"), "value"] == pytest.approx(0.2)
    assert check["criteria"]["accuracy"]["families"]["halves of answers"] == "fails"
    assert "halves of answers" not in check["criteria"]["completeness"]["families"]


def test_variants_one_by_one(outputs):
    table = validity.by_variant(scored(0.0, outputs, {"form": -4.0}), USUAL)
    rows = table.set_index(["criterion", "rung", "variant"])
    assert rows.loc[("accuracy", "form", "capitals"), "mistaken"] == 1.0
    assert rows.loc[("accuracy", "injected", "fake rubric"), "mistaken"] == 0.0
    whole = rows.loc[("accuracy", "form", "")]
    parts = table[(table["criterion"] == "accuracy") & (table["rung"] == "form")]
    assert whole["n"] == parts.loc[parts["variant"] != "", "n"].sum()
    assert whole["mean"] == 1.0


def test_length_and_calibration(outputs):
    table = scored(0.0, outputs)
    table["judge_accuracy"] = table["candidate"].str.split().str.len().astype(float)
    facts = validity.ladder_facts(table, "knowing", USUAL).set_index(["criterion", "fact"])
    assert facts.loc[("accuracy", "length"), "value"] == pytest.approx(1.0)
    means = validity.calibration(table, [COMPLETENESS])
    assert means["mean"].tolist() == pytest.approx(means["deserves"].tolist())


# --- Not valid, or not shown to be ----------------------------------------------------------------


def check_of(n, wrong=0, required=0.9):
    """The check of a judge that takes `wrong` of n answers to other questions for right ones."""
    own = ACCURACY.model_copy(update={"required": {"other_question": required}, "limits": {}})
    right, low = np.full(n, 5.0), np.r_[np.full(wrong, 5.5), np.ones(n - wrong)]
    auc = clustered_auc(right, low, range(n), range(n))
    rows = [("j", own.name, validity.TOGETHER, "other_question", "above", *auc, n, 1.0)]
    facts = pd.DataFrame(columns=validity.FACT_COLUMNS)
    return requirements.check(pd.DataFrame(rows, columns=validity.AUC_COLUMNS), facts, "j", [own])


def test_twenty_questions_in_perfect_order_show_too_little():
    check = check_of(20)
    assert (check["valid"], check["status"]) == (False, "not shown to be valid")
    words = "not shown to be valid with 20 questions, 36 are needed"
    assert requirements.status_words(check) == words
    assert check["fails"] == ""
    assert check["criteria"]["accuracy"]["families"] == {"general": "not shown"}
    assert "was not shown to tell right answers from answers to other questions" in check["reason"]


@pytest.mark.parametrize(("n", "status"), [(35, "not shown to be valid"), (36, "valid")])
def test_the_number_that_is_needed_is_the_number_that_does(n, status):
    assert (
        check_of(n)["status"] == requirements.status_words(check_of(n)).split(" with")[0] == status
    )


def test_a_judge_that_errs_is_not_valid_however_few_questions():
    check = check_of(20, wrong=6)
    assert check["status"] == requirements.status_words(check) == "not valid"
    assert "does not tell right answers from answers to other questions" in check["reason"]


def test_a_judge_that_nearly_passes_needs_more_questions_as_far_as_more_would_do():
    near = check_of(60, wrong=2)
    assert near["status"] == "not shown to be valid"
    needed = int(near["shortage"].split(", ")[1].split()[0])
    assert 60 < needed <= 240
    more = check_of(needed, wrong=round(2 * needed / 60))
    assert more["status"] == "valid"
    far = check_of(60, wrong=5)  # an AUC of 0.917: hardly above what is required
    assert far["auc"] > 0.9
    assert far["status"] == "not valid"


def test_a_flawless_judge_of_a_strict_criterion_is_not_called_invalid():
    check = check_of(20, required=0.99)
    assert requirements.status_words(check).endswith("with 20 questions, 368 are needed")


def test_a_rung_that_few_questions_have_is_named(outputs):
    seen = [row for row in ladder(questions()) if row["rung"] == "corrupted"][7:]
    rungs = [row for row in ladder(questions()) if row not in seen]
    _, _, check = verdict(scored(0.0, outputs, rungs=rungs))
    words = "with 7 questions, 20 are needed for answers with one wrong fact"
    assert requirements.status_words(check) == f"not shown to be valid {words}"


def test_checks_of_earlier_releases_are_valid_or_not():
    assert requirements.status_words({"valid": False}) == "not valid"
    assert requirements.status_words({"valid": True}) == "valid"
