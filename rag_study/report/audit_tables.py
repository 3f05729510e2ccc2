"""Cells of the report's tables about the audit: does a score treat both kinds of answers alike, how
does a judge err where people graded."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from rag_study.analysis.audit import TOGETHER
from rag_study.analysis.equivalence import FAILS, NOT_KNOWN, PASSES
from rag_study.analysis.estimates import KEY_COLUMNS
from rag_study.analysis.judge_errors import LENGTH
from rag_study.analysis.pairing import DEFAULT
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import counted, is_number, listed, number, rounded_up, signed
from rag_study.evaluation.judging.style import FORMS, STYLES
from rag_study.report.tables import common_cells, run_factors

# A status in the style sheet's words.
LOOKS = {PASSES: "helps", FAILS: "hurts", NOT_KNOWN: "unknown"}
_DIGITS = 3


def audit_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per trained state, primary context and score: what style alone makes of the
    difference, whether that is allowed, and what the difference may be without it."""
    table = results.audit
    if table.empty:
        return []
    contexts = results.study.get("primary", {}).get("contexts") or sorted(set(table["context"]))
    rows = table[(table["source"] == TOGETHER) & table["context"].isin(contexts)]
    usual = results.comparisons[results.comparisons["baseline"] == DEFAULT]
    rows = rows.merge(
        usual[[*KEY_COLUMNS, "n_seeds", "difference", "bounds_low", "bounds_high"]],
        "left",
        KEY_COLUMNS,
    )
    order = {name: place for place, name in enumerate(results.metrics)}
    rows = rows.assign(place=rows["metric"].map(order))
    rows = rows.sort_values(["place", "judge"], kind="stable")
    factors = run_factors(rows)
    return [
        {
            **common_cells(row | {"ci_low": row["low"], "ci_high": row["high"]}, factors, results),
            "words": f"{number(row['words_base'], 0)} → {number(row['words_tuned'], 0)}",
            "bias": _small(row["bias"], row["limit"]),
            "low": _small(row["low"], row["limit"]),
            "high": _small(row["high"], row["limit"]),
            "limit": f"±{row['limit']:.3g}" if is_number(row["limit"]) else "none",
            "status": row["status"],
            "css": LOOKS[row["status"]],
            "reason": _source_words(row) + _more_questions(row),
            "bounds": _bounds(row),
        }
        for row in rows.to_dict("records")
    ]


def _small(value: float, limit: float) -> str:
    if not is_number(value):
        return "not known"
    digits = _DIGITS if is_number(limit) and limit < 0.05 else 2
    return signed(value, digits=digits)


def _bounds(row: dict[str, Any]) -> str:
    if not is_number(row["bounds_low"]):
        return "–"
    ends = (signed(row[name], row["metric"]) for name in ("bounds_low", "bounds_high"))
    return " to ".join(ends)


def _source_words(row: dict[str, Any]) -> str:
    """What decided; the numbers of the reason stand in columns of their own."""
    parts = re.split(r", (?:style alone makes|its errors make) ", str(row["reason"]))
    return f"{parts[0]} ({counted(int(row['n_questions']), 'question')})" if parts[1:] else parts[0]


def _more_questions(row: dict[str, Any]) -> str:
    if not is_number(row["n_needed"]) or not row["judge"]:
        return ""
    return (
        f"; about {rounded_up(row['n_needed'])} questions in the judge's check (ladder_size) would "
        "show it to be alike, if it is"
    )


def error_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per labelled state, criterion and judge: its error, and for a trained state that
    error less its base's, with what that means."""
    table = results.judge_errors
    if table.empty:
        return []
    factors = run_factors(table)
    own = table[table["quantity"] == "error"]
    against = table[table["quantity"] == "difference"].set_index(KEY_COLUMNS)
    rows = []
    for row in own.to_dict("records"):
        key = tuple(row[name] for name in KEY_COLUMNS)
        change = against.loc[[key]].iloc[0] if key in against.index else None
        cells = common_cells(row, factors, results)
        if change is None:
            cells |= {"change": "", "change_interval": "", "status": "", "css": "none"}
        else:
            ends = f"{signed(change['low'])} to {signed(change['high'])}"
            cells |= {
                "change": signed(change["error"]) if is_number(change["error"]) else "not known",
                "change_interval": ends if is_number(change["low"]) else "no interval",
                "status": change["status"],
                "css": LOOKS[change["status"]],
            }
        error = signed(row["error"]) if is_number(row["error"]) else "not known"
        rows.append({**cells, "error": error, "limit": f"±{row['limit']:.3g}"})
    return rows


def error_sentences(results: StudyResults) -> list[str]:
    """What a judge's error goes with, in sentences: only what the intervals show."""
    sentences: list[str] = []
    if results.error_terms.empty:
        return sentences
    for (judge, metric), terms in results.error_terms.groupby(["judge", "metric"], sort=True):
        shown = []
        for row in terms.to_dict("records"):
            if row["low"] <= 0 <= row["high"]:
                continue
            what = (
                "for each doubling of an answer's words"
                if row["term"] == LENGTH
                else f"for answers {FORMS[row['term']]}"
            )
            interval = f"{signed(row['low'])} to {signed(row['high'])}"
            shown.append(f"{signed(row['coefficient'])} ({interval}) points {what}")
        name = results.metrics.in_text(metric)
        n = counted(int(terms["n_answers"].iloc[0]), "graded answer")
        if shown:
            sentences.append(
                f"Against people's grades of {name} ({n}), the judge {judge} gives "
                f"{listed(shown)}, whatever the merit."
            )
        else:
            sentences.append(
                f"Against people's grades of {name} ({n}), the errors of the judge {judge} go with "
                "neither length nor form as far as these labels can tell."
            )
    return sentences


def style_table(results: StudyResults) -> dict[str, Any]:
    """Mean scores by style: `columns` (style in words), `rows` (score, merit, cells)."""
    table = results.style_means
    if table.empty:
        return {"columns": [], "rows": []}
    names = [name for name in STYLES if (table["style"] == name).any()]
    invalid = results.invalid_judges
    words = table.groupby("style")["words"].median()
    several = table["dataset"].nunique() > 1
    order = {name: place for place, name in enumerate(results.metrics)}
    rows = []
    groups = table.groupby(["metric", "judge", "dataset", "merit"], sort=False)
    for key, part in sorted(groups, key=lambda g: (order[g[0][0]], *g[0][1:])):
        metric, judge, dataset, merit = key
        means = part.set_index("style")
        rows.append(
            {
                "metric": results.metrics.label(metric),
                "judge": judge,
                "invalid": judge in invalid,
                "dataset": dataset if several else "",
                "merit": merit,
                "cells": [_mean_cell(means, name) for name in names],
            }
        )
    columns = [{"name": STYLES[name], "words": number(words[name], 0)} for name in names]
    return {"columns": columns, "rows": rows}


def _mean_cell(means: pd.DataFrame, name: str) -> dict[str, str]:
    if name not in means.index:
        return {"mean": "–", "interval": ""}
    row = means.loc[name]
    return {
        "mean": number(row["mean"]),
        "interval": f"{number(row['ci_low'])}–{number(row['ci_high'])}",
    }
