import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from rag_study import judging, metrics, prompts, store
from rag_study.errors import StudyError
from rag_study.judging import Item, Judge
from rag_study.qa_datasets.schema import Question
from rag_study.text import normalise

ITEMS = [
    Item("Who built it?", "Ann", "Ann built it, a long time ago, and then she left."),
    Item("When was the bridge over the river finished?", "1847", "1850"),
    Item("Where?", "in the north", ""),
]


def test_scores_are_the_expectation_over_digit_probabilities_of_the_whole_prompt(tiny):
    rows = Judge(tiny).score(ITEMS)
    digits = prompts.digit_tokens(tiny.tokenizer)
    for item, row in zip(ITEMS, rows, strict=True):
        for name in judging.CRITERIA:
            prefix, endings = prompts.judge_prompt(
                tiny.tokenizer, item.question, item.reference, item.candidate
            )
            with torch.no_grad():
                logits = tiny.model(input_ids=torch.tensor([prefix + endings[name]])).logits[0, -1]
            everything = logits.double().softmax(-1)
            mass = float(everything[digits].sum())
            expected = (everything[digits] / mass).tolist()
            assert row[f"judge_{name}_mass"] == pytest.approx(mass, rel=1e-3)
            assert row[f"judge_{name}_p"] == pytest.approx(expected, rel=1e-3)
            assert row[f"judge_{name}"] == pytest.approx(
                sum(d * p for d, p in zip(range(1, 6), expected, strict=True)), abs=1e-4
            )
            assert row[f"judge_{name}_entropy"] == pytest.approx(stats.entropy(expected), rel=1e-3)


def test_batch_size_does_not_change_scores(tiny):
    judge = Judge(tiny)
    together = judge.score(ITEMS)
    alone = [judge.score([item])[0] for item in ITEMS]
    for a, b in zip(together, alone, strict=True):
        for name in judging.CRITERIA:
            assert a[f"judge_{name}"] == pytest.approx(b[f"judge_{name}"], abs=1e-4)


def test_endless_candidates_are_cut_and_counted(tiny):
    judge = Judge(tiny)
    long, fits = Item("Q", "R", "word " * 20_000), Item("Q", "R", "word " * 300)
    cut, whole = judge.score([long])[0], judge.score([fits])[0]
    assert (cut["cut"], whole["cut"]) == (1, 0)
    assert cut["judge_accuracy"] == pytest.approx(whole["judge_accuracy"])


def test_a_tokenizer_without_digit_tokens_cannot_judge(tiny, monkeypatch):
    def refuse(tokenizer):
        raise ValueError("the digits are not five single tokens")

    monkeypatch.setattr(prompts, "digit_tokens", refuse)
    with pytest.raises(StudyError, match="random-llama cannot be a judge"):
        Judge(tiny)


def questions(n=30):
    return [
        Question(f"q{i}", f"Who built tower {i}?", (f"Person {i}", f"Mr Person {i}"))
        for i in range(n)
    ]


def test_rungs_of_the_ladder():
    rows = pd.DataFrame(judging.ladder(questions(5)))
    by_rung = rows.groupby("rung")["candidate"].agg(list)
    assert by_rung["reworded"] == [f"Mr Person {i}" for i in range(5)]
    assert by_rung["other_question"] == ["Person 1", "Person 2", "Person 3", "Person 4", "Person 0"]
    assert set(by_rung["empty"]) == {""}
    assert set(by_rung["refusal"]) == {judging.REFUSAL}


def test_the_reworded_answer_is_right_and_never_the_reference():
    own = Question("q", "?", ("tin",), rewording="Tin is what it is made of.")
    plain = Question("q", "?", ("tin",))
    same = Question("q", "?", ("tin", "The Tin."))
    for question in (own, plain, same):
        text = judging.reword(question)
        assert metrics.contains(text, "tin") == 1.0
        assert normalise(text) != "tin"


def test_another_questions_answer_is_wrong_here():
    shared = [Question(f"q{i}", "?", ("Yes",)) for i in range(3)] + [Question("n", "?", ("No",))]
    rows = judging.ladder(shared)
    others = [r["candidate"] for r in rows if r["rung"] == "other_question"]
    assert others == ["No", "No", "No", "Yes"]
    all_same = pd.DataFrame(judging.ladder(shared[:3]))
    assert "other_question" not in set(all_same["rung"])


def test_auc_against_scipy_and_its_coverage():
    rng = np.random.default_rng(0)
    high, low = rng.normal(1, 1, 40), rng.normal(0, 1, 35)
    auc, bottom, top = judging.auc_with_interval(high, low)
    statistic = stats.mannwhitneyu(high, low).statistic
    assert auc == pytest.approx(statistic / (40 * 35))
    assert bottom < auc < top
    truth = stats.norm.cdf(1 / np.sqrt(2))
    held = 0
    for _ in range(1000):
        high, low = rng.normal(1, 1, 40), rng.normal(0, 1, 40)
        _, bottom, top = judging.auc_with_interval(high, low)
        held += bottom <= truth <= top
    assert 930 <= held <= 970


def test_perfect_order_with_few_questions_is_no_certainty():
    auc, low, high = judging.auc_with_interval(np.ones(10), np.zeros(10))
    assert (auc, high) == (1.0, 1.0)
    assert low == pytest.approx(0.6915, abs=1e-3)  # Clopper-Pearson, 10 of 10
    assert judging.auc_with_interval(np.ones(20), np.ones(20))[0] == 0.5


class Knowing:
    """A judge that looks the answer up: valid by construction."""

    def __init__(self, noise):
        self._rng, self._noise = np.random.default_rng(0), noise

    def score(self, items):
        rows = []
        for item in items:
            right = item.reference in item.candidate
            value = float(np.clip((5 if right else 1) + self._rng.normal(0, self._noise), 1, 5))
            rows.append({"judge_accuracy": value, "judge_completeness": value})
        return rows


@pytest.mark.parametrize(("noise", "valid"), [(0.1, True), (30.0, False)])
def test_a_judge_that_knows_is_valid_and_one_that_guesses_is_not(outputs, noise, valid):
    asked = questions(60)
    rungs = judging.ladder(asked)
    folder = store.RunFolder("validate_judge/x-1")
    batches = judging.judge_ladder(Knowing(noise), rungs, asked, 7, folder)
    table = pd.DataFrame([row for batch in batches for row in batch])
    assert len(table) == 240
    auc = judging.ladder_auc(table, "knowing")
    check = judging.check(auc, "knowing")
    assert check["valid"] is valid
    assert set(auc["scorer"]) == {"knowing", *metrics.REFERENCE} - {"key_point_recall"}
    f1 = auc[(auc["scorer"] == "token_f1") & (auc["rung"] == "empty")]
    assert f1["auc"].item() == 1.0


def test_a_judge_that_cannot_be_checked_is_not_valid(outputs):
    rows = judging.ladder([Question(f"q{i}", "?", ("Yes",)) for i in range(30)])
    table = pd.DataFrame(rows).assign(
        judge_accuracy=1.0, judge_completeness=1.0, **dict.fromkeys(metrics.REFERENCE, 0.0)
    )
    check = judging.check(judging.ladder_auc(table, "j"), "j")
    assert check["valid"] is False
    assert "could not be checked" in check["reason"]


def test_answers_are_judged_in_the_batches_they_were_given_in(tiny, outputs):
    asked = questions(5)
    answers = pd.DataFrame(
        [
            {"context": c, "question_id": q.id, "position": i, "answer": f"{c} {i}"}
            for c in ("none", "oracle")
            for i, q in enumerate(asked)
        ]
    )
    folder = store.RunFolder("judge_answers/x-1")
    few = list(judging.judge_answers(Judge(tiny), answers[answers.position < 2], asked, 2, folder))
    assert [len(batch) for batch in few] == [2, 2]
    everything = list(judging.judge_answers(Judge(tiny), answers, asked, 2, folder))
    assert [len(batch) for batch in everything] == [2, 2, 1, 2, 2, 1]
    assert everything[0] == few[0]
