"""Metrics that compare an answer with the reference answers. No model is asked."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from rag_study.common.text import compared, contains, length, same, tokens
from rag_study.data.schema import Question
from rag_study.evaluation.refusals import is_refusal
from rag_study.evaluation.yes_no import agrees

# Not the comma of 1,234.
_BETWEEN_ITEMS = re.compile(r",(?!\d{3})\s*|[;\n、，،؛；•]\s*")
_LAST_AND = re.compile(
    r"(?:\A|\s)(?:and|or|und|oder|et|ou|y|e|и|или|dan|atau|och|ve|&|और|এবং|اور|و)\s|"
    r"\sو(?=\w{2})|以及|及|和|与|與|と"
)


def score(answer: str, question: Question) -> dict[str, float | None]:
    """The reference metrics of one answer that need no model (`semantic_similarity` does); against
    several right answers the best counts.

    A question without short answers (a summary) is compared with its reference by ROUGE-L alone:
    exact match, token F1 and answer recall are None. `key_point_recall` is None for a question
    without key points.
    """
    short = question.answers
    return {
        "exact_match": max((exact_match(answer, a) for a in short), default=None),
        "token_f1": max((token_f1(answer, a) for a in short), default=None),
        "rouge_l": max(rouge_l(answer, a) for a in (*short, question.reference)),
        "answer_recall": answer_recall(answer, question),
        "key_point_recall": key_point_recall(answer, question.key_points),
        "refusal_rate": float(is_refusal(answer)),
        "answer_length": float(length(answer)),
    }


def exact_match(answer: str, gold: str) -> float:
    return float(same(answer, gold))


def token_f1(answer: str, gold: str) -> float:
    """Harmonic mean of token precision and recall, tokens counted as often as they occur; 1 for an
    exact match, and 0 for an empty answer."""
    if same(answer, gold):
        return 1.0
    answer_tokens, gold_tokens = compared(answer, gold)
    common = (Counter(answer_tokens) & Counter(gold_tokens)).total()
    return 2 * common / max(1, len(answer_tokens) + len(gold_tokens))


def rouge_l(answer: str, gold: str) -> float:
    """F-measure of the longest common subsequence (rouge-score, without stemming), over the tokens
    of `text.tokens` in place of its own, which know no letters beyond a to z."""
    if same(answer, gold):
        return 1.0
    return float(_rouge().score(gold, answer)["rougeL"].fmeasure)


def answer_recall(answer: str, question: Question) -> float | None:
    """1 when the answer says a right one; None for a question without short answers.

    What says it depends on the type of the answer. *yesno*: what the answer says first (`yes_no`).
    *list*: all points, in any order and between other words; points are the key points, and where
    the data has none, what commas and line breaks separate in an answer. Otherwise, and always as
    well for lists: the words of a right answer in sequence.
    """
    short = question.answers
    if not short:
        return None
    if question.answer_type == "yesno":
        verdicts = [agreed for a in short if (agreed := agrees(answer, a)) is not None]
        if verdicts:
            return float(any(verdicts))
    if any(contains(answer, a) for a in short):
        return 1.0
    if question.answer_type != "list":
        return 0.0
    if question.key_points:
        return float(key_point_recall(answer, question.key_points) == 1.0)
    return float(any(_all_named(answer, points) for points in map(list_items, short)))


def list_items(text: str) -> list[str]:
    """What a list in one text names: split at commas, semicolons, line breaks and a last "and"."""
    items = [item for item in _BETWEEN_ITEMS.split(text) if item.strip(" .")]
    *before, last = items or [""]
    items = [*before, *(item for item in _LAST_AND.split(last) if item.strip(" ."))]
    return [item.strip() for item in items]


def _all_named(answer: str, items: list[str]) -> bool:
    return len({item.casefold() for item in items}) > 1 and all(
        contains(answer, item) for item in items
    )


def key_point_recall(answer: str, key_points: tuple[tuple[str, ...], ...]) -> float | None:
    """Share of the key points of which any wording stands in the answer as whole words."""
    if not key_points:
        return None
    named = [any(contains(answer, wording) for wording in point) for point in key_points]
    return sum(named) / len(named)


@lru_cache(maxsize=1)
def _rouge():
    from rouge_score.rouge_scorer import RougeScorer

    class Tokenizer:
        tokenize = staticmethod(tokens)

    return RougeScorer(["rougeL"], tokenizer=Tokenizer())
