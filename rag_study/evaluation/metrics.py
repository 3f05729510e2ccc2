"""The scores of an answer: their scales and margins, and those that need no judge.

Reference metrics compare an answer with the known right answers. Normalisation and token F1 are
those of SQuAD (Rajpurkar et al. 2016, evaluation script v1.1). They lie in 0..1 except
`answer_length`, which counts words.

The judge's criteria are metrics too (`judge_<criterion>`). METRICS holds the usual two from the
start; whoever loads another one (`criteria.py`) makes it known with `add_criterion`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from rag_study.evaluation.judging import criteria
from rag_study.evaluation.judging.criteria import Criterion


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
