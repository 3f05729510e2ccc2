"""Extractive readers where there was something to point at.

All questions count in `comparisons`, also those that such a reader cannot answer. Here are only
those of which it was shown passages that hold a right answer, or all key points between them: the
same differences, with intervals and without a verdict.
"""

from __future__ import annotations

import pandas as pd

from rag_study.analysis import effects
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.models.architectures import EXTRACTIVE, kind_of
from rag_study.study import readers
from rag_study.study.config import StudyConfig

_QUESTION = ["dataset", "retriever", "chunk_size", "top_k", "context", "question_id"]


def extractable(
    results: pd.DataFrame, study: StudyConfig, n_resamples: int = 10_000, metrics: Metrics = METRICS
) -> pd.DataFrame:
    """Rows as of `effects.compare`, of extractive readers on these questions; empty without any."""
    pointing = [model for model in study.models if kind_of(model) == EXTRACTIVE]
    if not pointing or results.empty:
        return pd.DataFrame(columns=effects.COMPARISON_COLUMNS)
    alone = readers.names_alone(study.models, study.trainings)

    def of_readers(table: pd.DataFrame) -> pd.Series:
        return table["method"].isin(alone) | table["model"].isin(pointing)

    held = results[of_readers(results) & (results["answer_in_context"] == 1)]
    shown = results.merge(held[_QUESTION].drop_duplicates(), on=_QUESTION)
    compared = effects.compare(shown, [], [], [], {}, n_resamples, metrics)
    return compared[of_readers(compared)].reset_index(drop=True)
