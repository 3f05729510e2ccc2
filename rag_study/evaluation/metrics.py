"""Which scores an answer can have: their names, labels, scales and margins.

METRICS has those that come with the package; a study's own table, with the criteria of its judges,
is `METRICS.with_criteria(...)`, and is written beside its results. Neither is ever changed.

Reference metrics compare an answer with the known right answers. Normalisation and token F1 are
those of SQuAD (Rajpurkar et al. 2016, evaluation script v1.1). They lie in 0..1 except
`answer_length`, which counts words. What a judge grades is a metric too (`judge_<criterion>`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import inf, isnan
from typing import Any

from rag_study.evaluation import criteria
from rag_study.evaluation.criteria import Criterion


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

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale, the upper one infinite where it is unbounded."""
        return self.low, inf if self.high is None else self.high

    @property
    def width(self) -> float:
        """How far the ends of the scale are apart."""
        return self.limits[1] - self.low


class Metrics(Mapping[str, Metric]):
    """Metrics by name, in the order in which people read them: judged ones first."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._by_name = {metric.name: metric for metric in metrics}

    def __getitem__(self, name: str) -> Metric:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __hash__(self) -> int:
        return hash(tuple(self.values()))

    @property
    def judged(self) -> tuple[str, ...]:
        return tuple(name for name, metric in self.items() if metric.judged)

    def label(self, name: str) -> str:
        """Name of a metric for people; its own name where it is none of these."""
        return self[name].label if name in self else name

    def in_text(self, name: str) -> str:
        """The label as it stands inside a sentence: "answer recall", "ROUGE-L"."""
        label = self.label(name)
        return label[0].lower() + label[1:] if label[1:2].islower() else label

    def with_criteria(
        self, graded: Iterable[Criterion], margins: Mapping[str, float] | None = None
    ) -> Metrics:
        """These and those of further criteria, with the margins that a study declares."""
        further = [of_criterion(criterion) for criterion in graded]
        judged = {name: self[name] for name in self.judged} | {m.name: m for m in further}
        together = judged | {name: m for name, m in self.items() if not m.judged}
        margins = margins or {}
        return Metrics(
            replace(metric, margin=margins.get(name, metric.margin))
            for name, metric in together.items()
        )

    def records(self) -> list[dict[str, Any]]:
        """One row for each metric, as they are written beside a study's results."""
        return [asdict(metric) for metric in self.values()]

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> Metrics:
        """What `records` gave, from a table, where what is not there is NaN."""
        return cls(
            Metric(
                **{
                    key: None if isinstance(value, float) and isnan(value) else value
                    for key, value in record.items()
                }
            )
            for record in records
        )


def of_criterion(criterion: Criterion) -> Metric:
    label = f"{criterion.label} (judge)"
    return Metric(criterion.metric, label, 1.0, 5.0, criterion.margin, judged=True)


METRICS = Metrics(
    (
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
)
# What stands for a judge's two usual criteria where no judge is valid.
COUNTERPARTS = {"judge_accuracy": "answer_recall", "judge_completeness": "key_point_recall"}
RETENTION = tuple(name for name, metric in METRICS.items() if metric.retention)
REFERENCE = tuple(name for name in METRICS if name not in (*METRICS.judged, *RETENTION))
