"""What the search found, by the number of passages that are looked at."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rag_study.analysis.cluster_means import ClusterTotals, cluster_means

# Column of `question_metrics` -> name of its mean in `summarise_by_k`.
MEANS = {
    "recall": "recall",
    "reciprocal_rank": "mrr",
    "precision": "precision",
    "ndcg": "ndcg",
    "answer_in_context": "answer_in_context",
}


def summarise_by_k(per_question: pd.DataFrame) -> pd.DataFrame:
    """Means over questions with 95 % cluster-bootstrap intervals, one row per k.

    A question without a group is a cluster of its own.

    Columns: k, then <metric>, <metric>_low, <metric>_high for recall, mrr, precision, ndcg and,
    where it was measured, answer_in_context (over the questions that have it; missing where none
    has); n (questions).
    """
    measured = [column for column in MEANS if column in per_question]
    summary = pd.DataFrame({"k": sorted(per_question["k"].unique())})
    for column in measured:
        means = _means_by_k(per_question, column).reindex(summary["k"])
        for suffix in ("", "_low", "_high"):
            summary[f"{MEANS[column]}{suffix}"] = means[f"mean{suffix}"].to_numpy()
    counts = per_question.groupby("k").size()
    return summary.assign(n=counts.reindex(summary["k"]).to_numpy())


def _means_by_k(per_question: pd.DataFrame, column: str) -> pd.DataFrame:
    """mean, mean_low, mean_high of one metric, by k."""
    present = per_question.dropna(subset=[column])
    names = ["mean", "mean_low", "mean_high"]
    if present.empty:
        return pd.DataFrame(columns=names, index=pd.Index([], name="k"), dtype=float)
    clusters = present["group"].fillna(present["question_id"])
    present = present.astype({column: float}).assign(group=clusters)
    # Every question has a row for each k, so that one set of clusters serves all of them.
    by_question = present.pivot(index="k", columns=["group", "question_id"], values=column)
    groups = by_question.columns.get_level_values("group").to_numpy()
    found = cluster_means(ClusterTotals.of(by_question.to_numpy(), groups, 0.0, 1.0))
    numbers = np.column_stack([found.mean, *found.intervals[0]])
    return pd.DataFrame(numbers, index=by_question.index, columns=names)
