"""What difference a study of this size could see, before it has measured anything.

How much the differences of single questions spread is known from studies that were run here, else
taken to be half of the metric's scale, as in the demo (docs/reading-the-result.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rag_study.analysis.feasibility.asked import Asked
from rag_study.analysis.feasibility.findings import NOTE, Finding
from rag_study.analysis.planning import (
    MIN_CLUSTERS,
    detectable,
    questions_for_change,
    questions_for_no_difference,
)
from rag_study.common import run_folder
from rag_study.common.wording import counted, listed, rounded_up
from rag_study.evaluation.metrics import Metric, Metrics
from rag_study.models.architectures import has_untrained_state
from rag_study.study.config import StudyConfig
from rag_study.study.stages import StageRun

ASSUMED = "assumed"
USUAL_SPREAD = 0.5  # of the scale: 2 points of a judge, 0.5 of answer recall
_MOST_STUDIES = 50  # the newest are looked at
_COLUMNS = ["dataset", "metric", "baseline", "train_size", "n_effective", "se", "n_seeds"]


def records(
    asked: Asked, study: StudyConfig, metrics: Sequence[str], family_size: int
) -> list[dict[str, Any]]:
    """One row per metric: the spread and where it is from, the smallest true difference that 80 %
    of such studies detect, and questions with which they show that nothing matters, or find a
    change of twice the margin. None where it cannot be told."""
    clusters, worth = asked.groups
    if clusters < 2:
        return []
    past = past_spreads(asked.name)
    rows = []
    for name in metrics:
        metric = study.metrics[name]
        if metric.high is None or metric.margin is None:
            continue
        spread, source = past.get(name) or _usual(metric)
        se, df = spread / math.sqrt(worth), max(worth - 1, 1.0)
        n = len(asked.test)
        least = math.ceil(MIN_CLUSTERS * n / worth)
        setting = (se, n, metric.margin, family_size)
        rows.append(
            {
                "dataset": asked.name,
                "metric": name,
                "spread": spread,
                "spread_from": source,
                "detectable": float(detectable(se, df)),
                "margin": metric.margin,
                "n_no_difference": _whole(questions_for_no_difference(*setting), least),
                "n_twice_margin": _whole(questions_for_change(2 * metric.margin, *setting), least),
            }
        )
    return rows


def finding(rows: Sequence[dict[str, Any]], metrics: Metrics) -> Finding | None:
    """What is said of a data set, of which these are the rows, where the study is likely to end
    with "cannot tell"; None where it sees a change of twice the margin in every metric."""
    coarse = [row for row in rows if row["detectable"] > 2 * row["margin"]]
    if not coarse:
        return None
    seen = listed(
        [
            f"{row['detectable']:.2f} (margin {row['margin']:g}) in "
            f"{metrics.in_text(row['metric'])}"
            for row in coarse
        ]
    )
    sentence = (
        f"{coarse[0]['dataset']}: more than one such study in five would miss a true difference "
        f"below {seen}."
    )
    needed = [row["n_twice_margin"] for row in coarse]
    remedy = "With so much spread, no number of questions sees twice the margin."
    if all(needed):
        remedy = (
            f"Twice the margin takes {rounded_up(min(needed))} to {rounded_up(max(needed))} test "
            "questions (`test_size`); a wider margin (`margins`) takes fewer."
        )
    return Finding(NOTE, "difference", sentence, remedy)


def past_spreads(dataset: str) -> dict[str, tuple[float, str]]:
    """By metric the median spread of the differences of trained states in the studies that were run
    here, and whose they are: those on a data set of this name, else those on any."""
    table = _past()
    if table is None:
        return {}
    found = {}
    for name, rows in table.groupby("metric"):
        same = rows[rows["dataset"] == dataset]
        chosen = same if len(same) else rows
        studies = counted(chosen["study"].nunique(), "past study").replace("studys", "studies")
        on = f" on {dataset}" if len(same) else ""
        found[str(name)] = float(chosen["spread"].median()), f"{studies}{on}"
    return found


def _past() -> Any:
    """Spreads of past studies: dataset, metric, study, spread; None without any."""
    import pandas as pd

    files = [*run_folder.outputs_dir().glob("*/comparisons.parquet")]
    files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    tables = []
    for file in files[:_MOST_STUDIES]:
        try:
            rows = pd.read_parquet(file, columns=_COLUMNS)
        except Exception:  # of an earlier release, or cut short: another study will tell
            continue
        rows = rows[(rows["train_size"] > 0) & (rows["baseline"] == "default")]
        rows = rows[(rows["n_seeds"] <= 1) & (rows["n_effective"] >= MIN_CLUSTERS / 2)]
        spread = rows["se"] * rows["n_effective"] ** 0.5
        tables.append(rows.assign(spread=spread, study=file.parent.name)[spread > 0])
    return pd.concat(tables, ignore_index=True) if any(map(len, tables)) else None


def family_size(runs: Iterable[StageRun], study: StudyConfig) -> int:
    """How many comparisons may carry a verdict: every trained state in every primary context, once
    for each primary metric. Seeds of one recipe share theirs."""
    states = {
        run.point.model_copy(update={"seed": 0, "judge": None}).model_dump_json()
        for run in runs
        if run.stage.name == "judge_answers"
        and run.point.training is not None
        and has_untrained_state(run.point.model)
    }
    return max(1, len(states) * len(study.primary.contexts) * len(study.primary.metrics))


def _usual(metric: Metric) -> tuple[float, str]:
    return USUAL_SPREAD * (metric.high - metric.low), ASSUMED


def _whole(number: float, least: int) -> int | None:
    return None if math.isnan(number) else max(int(number), least)
