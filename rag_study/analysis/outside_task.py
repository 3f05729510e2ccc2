"""What training changed outside the task, and which of it is a loss that matters."""

from __future__ import annotations

import pandas as pd

from rag_study.analysis.effects import of_recipes
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.pairing import DEFAULT
from rag_study.analysis.resampling import TOLERANCE
from rag_study.analysis.states import SETTINGS
from rag_study.analysis.verdicts import ALPHA
from rag_study.evaluation.metrics import Metrics

WORSE_WHEN_HIGHER = ("general_text_nll",)
# Losses outside the task that matter, where the metric has no margin: 5 % of perplexity, and as
# much in the margin between right and wrong statements.
_MARGINS = {"general_text_nll": 0.05, "knowledge_margin": 0.05}


def margin_outside(metric: str, declared: float | None) -> float:
    """The smallest loss of a metric outside the task that matters, in the metric's unit."""
    return _MARGINS.get(metric) or (ALPHA if declared is None else declared)


def changes_outside(comparisons: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """The rows of `comparisons` about trained recipes outside the task, with three columns more.

    `gain` is the difference, below 0 for a loss; `shown` says that it is a loss which Bonferroni's
    correction over all measurements leaves, `matters` that its estimate reaches the margin, too.
    """
    if comparisons.empty:
        return comparisons.assign(gain=[], shown=[], matters=[])
    usual = (comparisons["baseline"] == DEFAULT) & (comparisons["train_size"] > 0)
    rows = of_recipes(comparisons[usual & (comparisons["context"] == "retention")])
    gain = rows["difference"].where(~rows["metric"].isin(WORSE_WHEN_HIGHER), -rows["difference"])
    known = (metrics[name].margin if name in metrics else None for name in rows["metric"])
    margins = [margin_outside(*pair) for pair in zip(rows["metric"], known, strict=True)]
    # It is asked once, whatever searches the study has.
    once = [name for name in KEY_COLUMNS if name not in SETTINGS]
    tests = len(rows.drop_duplicates([*once, "difference", "p_value"]))
    shown = (gain < 0) & (rows["p_value"] * tests < ALPHA)
    reaches = gain <= TOLERANCE - pd.Series(margins, rows.index, dtype=float)
    return rows.assign(gain=gain, shown=shown, matters=shown & reaches)
