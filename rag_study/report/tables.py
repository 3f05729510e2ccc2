"""The tables of a study: the effects for a terminal, and the cells of the report's tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from rag_study.analysis.equivalence import FAILS
from rag_study.analysis.pairing import BASE_COLUMNS, DEFAULT, PEOPLE, RUN_COLUMNS
from rag_study.analysis.states import (
    RECIPE,
    against_base,
    auc_words,
    context_label,
    context_rank,
    differing,
    factor_words,
    of_people,
    passages_label,
    state_label,
)
from rag_study.analysis.study_results import StudyResults
from rag_study.analysis.verdicts import verdict_words
from rag_study.common.shown import shortened, visible
from rag_study.common.wording import counted, is_number, number, p_words, signed
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.models.prompts import PROMPTINGS
from rag_study.report.verdict_looks import LOOKS, NO_LOOK

# The most characters of a name in a terminal's table; the report has all of them.
_NAME = 60


def effects_table(comparisons: pd.DataFrame, metrics: Metrics = METRICS) -> Table:
    """The primary comparisons for a terminal of 80 columns; the others are counted."""
    written = comparisons.attrs.get("questions", "")
    comparisons = against_base(comparisons)
    rows = comparisons
    if len(comparisons):
        rows = _ordered(comparisons[comparisons["primary"]], metrics)
    contexts = list(dict.fromkeys(rows["context"])) if len(rows) else []
    about = ["Trained − base, with 95 % intervals", written]
    about[1:1] = [context_label(contexts[0])] if len(contexts) == 1 else []
    table = Table(
        title=", ".join(filter(None, about)),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    others = len(comparisons) - len(rows)
    if not len(rows):
        nothing = "No trained model could be compared with its base model."
        if others:
            nothing = f"None of {counted(others, 'difference')} carries a verdict; see the report."
        table.add_column(nothing)
        return table
    factors = run_factors(comparisons)
    several_judges = comparisons["judge"].replace("", None).nunique() > 1
    table.add_column("State")
    if len(contexts) > 1:
        table.add_column("Passages")
    table.add_column("Metric")
    table.add_column("Difference", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("Verdict")
    for row in rows.to_dict("records"):
        metric, low, high = row["metric"], row["ci_low"], row["ci_high"]
        interval = f"({signed(low, metric)}, {signed(high, metric)})" if is_number(low) else "(?)"
        verdict = verdict_words(row)
        judge = f", {row['judge']}" if several_judges and row["judge"] not in ("", PEOPLE) else ""
        named = [state_label(row), *factor_words(row, factors)]
        cells = [
            " · ".join(shortened(word, _NAME) for word in named),
            *([passages_label(row["context"])] if len(contexts) > 1 else []),
            of_people(metrics.label(metric), row["judge"]) + judge,
            f"{signed(row['difference'], metric)} {interval}",
            str(row["n_questions"]),
        ]
        table.add_row(
            *(Text(visible(cell)) for cell in cells),
            Text(verdict, style=LOOKS.get(row["verdict"], NO_LOOK).terminal),
        )
    if others:
        more = counted(others, "other difference")
        table.caption = f"and {more}, which {'is' if others == 1 else 'are'} in the report"
    return table


def effects_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per comparison with the base model on the task, as words, primary ones first."""
    return _difference_rows(results, against_base(results.comparisons))


def prompt_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Trained minus the best of the prompts that need no training, for each primary comparison.

    Best is the prompt with the highest mean on these very questions, which favours the prompt.
    """
    comparisons = results.comparisons
    if comparisons.empty or (comparisons["baseline"] == DEFAULT).all():
        return []
    keys = [*RUN_COLUMNS, "context", "metric", "judge"]
    rows = comparisons.merge(comparisons.loc[comparisons["primary"], keys], on=keys)
    rows = rows.assign(other=rows["baseline"] != DEFAULT)
    best = rows.sort_values(["mean_base", "other"], ascending=[False, True], kind="stable")
    return _difference_rows(results, best.drop_duplicates(keys).sort_index())


def extractable_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Extractive readers minus bases, where the passages held an answer."""
    return _difference_rows(results, against_base(results.extractable))


def retention_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Trained minus base outside the task."""
    comparisons = results.comparisons
    if comparisons.empty:
        return []
    outside = (comparisons["context"] == "retention") & (comparisons["baseline"] == DEFAULT)
    rows = comparisons[outside & (comparisons["method"] != "none")]
    # General sets are no part of the study's data: a name says what a state was trained on.
    return _difference_rows(results, rows.assign(dataset="trained on " + rows["dataset"]))


def _difference_rows(results: StudyResults, comparisons: pd.DataFrame) -> list[dict[str, Any]]:
    if comparisons.empty:
        return []
    factors = run_factors(comparisons)
    return [
        {
            **common_cells(row, factors, results),
            "baseline": ", ".join(filter(None, ("base", PROMPTINGS[row["baseline"]]))),
            "base": number(row["mean_base"]),
            "tuned": number(row["mean_tuned"]),
            "difference": signed(row["difference"], row["metric"]),
            "p": p_words(row["p_holm"]),
            "mde": number(row["mde"]),
            "clusters": row["n_clusters"],
            "lost": f"base {row['lost_base']:.0f}, trained {row['lost_tuned']:.0f}",
            "margin": f"{row['margin']:g}" if is_number(row["margin"]) else "none",
            "verdict": row["verdict"],
            "tier": verdict_words(row).removeprefix(row["verdict"]).strip(),
            "css": LOOKS.get(row["verdict"], NO_LOOK).css,
            "reason": row["reason"],
            "primary": bool(row["primary"]),
        }
        for row in _primary_first(comparisons, results.metrics).to_dict("records")
    ]


def means_table(results: StudyResults) -> dict[str, Any]:
    """One row per run and context, one column per metric (and judge)."""
    summary = results.summary
    if summary.empty:
        return {"columns": [], "rows": []}
    checks = {check["judge"]: check for check in results.judge_checks}
    invalid = results.invalid_judges
    pairs = summary[["metric", "judge"]].drop_duplicates().itertuples(index=False, name=None)
    pairs = sorted(pairs, key=lambda pair: (list(results.metrics).index(pair[0]), pair[1]))
    columns = [
        {
            "label": results.metrics.label(metric),
            "judge": judge,
            "auc": auc_words(checks.get(judge, {})),
            "invalid": judge in invalid,
        }
        for metric, judge in pairs
    ]
    factors = run_factors(summary)
    keys = [*BASE_COLUMNS, "prompting", *RECIPE, "train_size", "context"]
    rows = []
    for _, part in _ordered(summary, results.metrics).groupby(keys, sort=False, dropna=False):
        first = part.iloc[0]
        cells = {(row.metric, row.judge): row for row in part.itertuples()}
        rows.append(
            {
                "state": state_label(first),
                "factors": " · ".join(factor_words(first, factors)),
                "context": context_label(first["context"]),
                "n": int(part["n_questions"].max()),
                "cells": [_mean_cell(cells.get(pair)) for pair in pairs],
            }
        )
    return {"columns": columns, "rows": rows}


def _mean_cell(row: Any) -> dict[str, str]:
    if row is None or not is_number(row.mean):
        return {"mean": "–", "interval": ""}
    bounded = is_number(row.ci_low) and is_number(row.ci_high)
    interval = f"{number(row.ci_low)}–{number(row.ci_high)}" if bounded else "no interval"
    return {"mean": number(row.mean), "interval": interval}


def interaction_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per difference of differences, as words."""
    frame = results.interactions
    if frame.empty:
        return []
    factors = run_factors(frame)
    return [
        {
            **common_cells(row, factors, results),
            "none": signed(row["difference_none"], row["metric"]),
            "with_context": signed(row["difference_context"], row["metric"]),
            "interaction": signed(row["interaction"], row["metric"]),
            "p": p_words(row["p_value"]),
        }
        for row in _ordered(frame, results.metrics).to_dict("records")
    ]


def run_factors(frame: pd.DataFrame) -> list[str]:
    """What tells the runs of a table apart, beside method and train size."""
    return differing(frame, [*BASE_COLUMNS, "train_format", "variant", "seed"])


def common_cells(row: dict[str, Any], factors: list[str], results: StudyResults) -> dict[str, Any]:
    """The cells that every row of differences has, as words."""
    return {
        "state": state_label(row),
        "factors": " · ".join(factor_words(row, factors)),
        "context": context_label(row["context"]),
        "metric": of_people(results.metrics.label(row["metric"]), row["judge"]),
        "judge": row["judge"] if row["judge"] != PEOPLE else "",
        "invalid": row["judge"] in results.invalid_judges,
        "unfair": row.get("audit") == FAILS,
        "low": signed(row["ci_low"], row["metric"]),
        "high": signed(row["ci_high"], row["metric"]),
        "n": row.get("n_questions", ""),
    }


def _ordered(frame: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """Rows by run, then contexts and metrics in the order in which people read them."""
    order = frame.assign(
        trained=frame["method"] != "none",
        context_rank=frame["context"].map(context_rank),
        metric_rank=frame["metric"].map(list(metrics).index),
    )
    keys = [
        *BASE_COLUMNS,
        "trained",
        "prompting",
        *RECIPE,
        "train_size",
        "context_rank",
        "metric_rank",
        "judge",
    ]
    return frame.loc[order.sort_values(keys, kind="stable").index]


def _primary_first(comparisons: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """Primary rows first, and of both kinds those that people's labels gave."""
    ordered = _ordered(comparisons, metrics).assign(scored=lambda rows: rows["judge"] != PEOPLE)
    ordered = ordered.sort_values(["primary", "scored"], ascending=[False, True], kind="stable")
    return ordered.drop(columns="scored")
