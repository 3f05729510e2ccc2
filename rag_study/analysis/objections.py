"""What is known to speak against any verdict on a metric, by a judge or without one.

Everything that looks at what was measured, rather than at a single comparison, and finds that no
row of a metric may carry a verdict, is an entry here; `verdicts.objection` puts it into the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rag_study.evaluation import ceiling
from rag_study.evaluation.metrics import Metrics


def objections(
    results: pd.DataFrame, references: pd.DataFrame, named: Sequence[str], metrics: Metrics
) -> dict[tuple[str, str], str]:
    """Reasons, in words, by (metric, judge); the judge is '' for what needs none.

    `results` has one row per run, context, question and judge; `references` is what the references
    themselves score (`evaluation.ceiling`, with the data set); `named` are the metrics that may
    carry a verdict.
    """
    constant = constant_metrics(results, named, metrics)
    return dict(constant) | ceiling.objections(references, named, metrics)


def constant_metrics(
    results: pd.DataFrame, named: Sequence[str], metrics: Metrics
) -> list[tuple[tuple[str, str], str]]:
    """Metrics that have one value for every answer, and so cannot tell one state from another."""
    found = []
    for metric in named:
        if metric not in results:
            continue
        judged = metrics[metric].judged
        judges = results["judge"].fillna("").astype(str) if judged else ""
        for judge, values in results[metric].groupby(judges) if judged else [("", results[metric])]:
            if values.nunique() == 1:
                by = f" by {judge}" if judge else ""
                reason = (
                    f"every answer has the same {metrics.in_text(metric)}{by} "
                    f"({values.dropna().iloc[0]:g}), so it cannot tell one state from another"
                )
                found.append(((metric, str(judge)), reason))
    return found
