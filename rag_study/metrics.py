"""The scores of an answer: their scales and margins, and those that need no judge.

Reference metrics compare an answer with the known right answers. Normalisation and token F1 are
those of SQuAD (Rajpurkar et al. 2016, evaluation script v1.1). They lie in 0..1 except
`answer_length`, which counts words.

The judge's criteria are metrics too (`judge_<criterion>`). METRICS holds the usual two from the
start; whoever loads another one (`criteria.py`) makes it known with `add_criterion`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

from rag_study import criteria
from rag_study.criteria import Criterion
from rag_study.qa_datasets.schema import Question
from rag_study.refusals import is_refusal
from rag_study.text import contains, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag_study.retrieval.embedding import Embedder


@dataclass(frozen=True)
class Metric:
    """A score of one answer.

    `low` and `high` bound the scale (`high` None: unbounded). `margin` is the smallest difference
    of means that matters, unless the study declares its own; None marks a descriptive metric,
    which is never primary. `judged` scores come from a judge, the others from the reference,
    except those of `retention`, which say what a model can do outside the task.
    """

    name: str
    label: str
    low: float
    high: float | None
    margin: float | None
    judged: bool = False
    retention: bool = False


def of_criterion(criterion: Criterion) -> Metric:
    label = f"{criterion.label} (judge)"
    return Metric(criterion.metric, label, 1.0, 5.0, criterion.margin, judged=True)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(of_criterion(criteria.find(name)) for name in criteria.DEFAULT),
        Metric("answer_recall", "Answer recall", 0.0, 1.0, 0.03),
        Metric("key_point_recall", "Key-point recall", 0.0, 1.0, 0.03),
        Metric("exact_match", "Exact match", 0.0, 1.0, 0.03),
        Metric("token_f1", "Token F1", 0.0, 1.0, 0.03),
        Metric("rouge_l", "ROUGE-L", 0.0, 1.0, 0.03),
        Metric("semantic_similarity", "Semantic similarity", 0.0, 1.0, 0.03),
        Metric("refusal_rate", "Refusals", 0.0, 1.0, None),
        Metric("answer_length", "Answer length (words)", 0.0, None, None),
        Metric("general_text_nll", "General text (nats per token)", 0.0, None, None, False, True),
        Metric(
            "knowledge_margin", "Knowledge margin (nats per token)", -inf, None, None, False, True
        ),
        Metric("knowledge_accuracy", "Knowledge accuracy", 0.0, 1.0, 0.05, False, True),
        Metric("instruction_following", "Instructions followed", 0.0, 1.0, 0.05, False, True),
    )
}
JUDGED = tuple(name for name, metric in METRICS.items() if metric.judged)
RETENTION = tuple(name for name, metric in METRICS.items() if metric.retention)
REFERENCE = tuple(name for name in METRICS if name not in (*JUDGED, *RETENTION))


def add_criterion(criterion: Criterion) -> None:
    """Make the metric of a criterion known, behind those of the other criteria."""
    METRICS[criterion.metric] = of_criterion(criterion)
    order = sorted(METRICS, key=lambda name: not METRICS[name].judged)
    for name in order:
        METRICS[name] = METRICS.pop(name)


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
        "answer_recall": max((contains(answer, a) for a in short), default=None),
        "key_point_recall": key_point_recall(answer, question.key_points),
        "refusal_rate": float(is_refusal(answer)),
        "answer_length": float(len(answer.split())),
    }


def semantic_similarity(
    embedder: Embedder, answers: Sequence[str], questions: Sequence[Question]
) -> list[float]:
    """Cosine of each answer's embedding with that of the nearest right answer of its question.

    In 0..1: negative cosines and empty answers are 0. All texts are embedded in one call, each
    distinct one once. What is beyond the embedding model's window is not read.
    """
    texts = sorted({*answers, *(text for q in questions for text in _right(q))} - {""})
    vectors = dict(zip(texts, embedder.embed(texts), strict=True)) if texts else {}
    return [
        max(0.0, *(float(vectors[answer] @ vectors[text]) for text in _right(question)))
        if answer
        else 0.0
        for answer, question in zip(answers, questions, strict=True)
    ]


def _right(question: Question) -> tuple[str, ...]:
    return (*question.answers, question.reference)


def exact_match(answer: str, gold: str) -> float:
    return float(normalise(answer) == normalise(gold))


def token_f1(answer: str, gold: str) -> float:
    """Harmonic mean of token precision and recall, tokens counted as often as they occur."""
    answer_tokens, gold_tokens = normalise(answer).split(), normalise(gold).split()
    if not answer_tokens or not gold_tokens:
        return float(answer_tokens == gold_tokens)
    common = (Counter(answer_tokens) & Counter(gold_tokens)).total()
    return 2 * common / (len(answer_tokens) + len(gold_tokens))


def rouge_l(answer: str, gold: str) -> float:
    """F-measure of the longest common subsequence (rouge-score, without stemming)."""
    return float(_rouge().score(gold, answer)["rougeL"].fmeasure)


def key_point_recall(answer: str, key_points: tuple[tuple[str, ...], ...]) -> float | None:
    """Share of the key points of which any wording stands in the answer as whole words."""
    if not key_points:
        return None
    found = [any(contains(answer, wording) for wording in point) for point in key_points]
    return sum(found) / len(found)


@lru_cache(maxsize=1)
def _rouge():
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)
