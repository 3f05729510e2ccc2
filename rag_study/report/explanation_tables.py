"""Cells of the tables that explain the effects: the paper's claims, trends, data sets, length, and
where answers go wrong. Like `tables`, numbers come out as words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from rag_study.analysis.decomposition import CATEGORIES, FOLLOWS
from rag_study.analysis.pairing import BASE_COLUMNS, RUN_COLUMNS
from rag_study.analysis.states import category_label, factor_words, is_base, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import NOT_KNOWN, is_number, number, p_words, signed
from rag_study.report.claim_sentences import claim_sentence
from rag_study.report.tables import common_cells, run_factors
from rag_study.training.recipe import GOLD

# What a fact of a judge's check is in words, and whether its value is a share.
JUDGE_FACTS = {
    "monotonicity": ("pairs of a question's answers in the order that they deserve", True),
    "padding": ("change through irrelevant sentences, points", False),
    "half": ("change where half of a right answer is missing, points", False),
    "number_form": ("change where a right number is written otherwise, points", False),
    "name_form": ("change where a right name is written otherwise, points", False),
    "form": ("change through the form of a right answer, points", False),
    "specific": ("change where a right answer is more specific, points", False),
    "other_answer": ("another right answer less the first one, points", False),
    "surroundings": ("change of a wrong answer among answers to other questions, points", False),
    "injection": ("gain of a wrong answer through something for the grader in it, points", False),
    "length": ("rank correlation with the length of right answers", False),
    "repeatability": ("largest difference when graded again, points", False),
    "missing": ("answers without a score", True),
    "by_rule": ("answers scored by rule that are neither refusals nor empty", True),
}
# The names of a claim's answers in the report's style sheet.
ANSWER_CLASSES = {
    "supported": "hurts",
    "contradicted": "helps",
    "undecided": "unknown",
    "not tested": "none",
}


def claim_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per claim of the paper (and judge): what it says, the answer, the number behind."""
    if results.claims.empty:
        return []
    invalid = results.invalid_judges
    return [
        {
            "claim": row["paper"],
            "answer": row["answer"],
            "css": ANSWER_CLASSES.get(row["answer"], "none"),
            "metric": results.metrics.label(row["metric"]),
            "judge": row["judge"],
            "invalid": row["judge"] in invalid,
            "estimate": signed(row["estimate"], row["metric"]) * is_number(row["estimate"]),
            "low": signed(row["ci_low"], row["metric"]),
            "high": signed(row["ci_high"], row["metric"]),
            "n": int(row["n_questions"]) if is_number(row["n_questions"]) else "",
            "said": claim_sentence(row, results.metrics),
        }
        for row in results.claims.to_dict("records")
    ]


def trend_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per recipe, context and metric: the change per doubling of the training set."""
    # A trend is about several sizes; any size above 0 says that the recipe was trained.
    frame = results.trends.assign(train_size=1)
    return [
        {
            **cells,
            "state": state_label(row).removesuffix(" 1"),
            "sizes": row["train_sizes"],
            "slope": signed(row["slope"], row["metric"]),
            "p": p_words(row["p_value"]),
            "gain": signed(row["gain"], row["metric"]),
            "gain_low": signed(row["gain_low"], row["metric"]),
            "gain_high": signed(row["gain_high"], row["metric"]),
        }
        for row, cells in _with_cells(frame, results)
    ]


def heterogeneity_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per recipe, context and metric: the mean effect over data sets, and their spread."""
    frame = results.heterogeneity.assign(dataset="")
    return [
        {
            **cells,
            "datasets": row["datasets"],
            "estimate": signed(row["estimate"], row["metric"]),
            "smallest": signed(row["smallest"], row["metric"]),
            "largest": signed(row["largest"], row["metric"]),
            "tau": number(row["tau"]),
            "i2": f"{row['i2']:.0%}".replace("%", " %") if is_number(row["i2"]) else "",
            "p": p_words(row["p_value"]),
        }
        for row, cells in _with_cells(frame, results)
    ]


def length_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per comparison: the effect as it is, and at equal answer length."""
    rows = []
    for row, cells in _with_cells(results.length_adjusted, results):
        share = row["share_by_length"]
        rows.append(
            {
                **cells,
                "difference": signed(row["difference"], row["metric"]),
                "length": signed(row["length_difference"], "answer_length"),
                "adjusted": signed(row["adjusted"], row["metric"]),
                "share": f"{share:.0%}".replace("%", " %").replace("-", "−")
                if is_number(share)
                else "no change to explain",
                "extrapolated": bool(row["extrapolated"]),
            }
        )
    return rows


def source_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per comparison that `answer_sources` has: whose answers were learned, and what became
    of score, style and what lies outside the task. Empty where all learned gold answers."""
    return [
        {
            **cells,
            "learned": _learned(row),
            "words_learned": number(row["words_learned"], 1),
            "difference": signed(row["difference"], row["metric"]),
            "words": _from_to(row, "words", lambda mean: number(mean, 1)),
            "refusals": _from_to(row, "refusals", _percent),
            "knowledge": signed(row["knowledge_change"]),
            "following": signed(row["following_change"]),
        }
        for row, cells in _with_cells(results.answer_sources, results)
    ]


def _learned(row: dict[str, Any]) -> str:
    if not is_number(row["gold"]):
        return NOT_KNOWN
    written, gold, left_out = (int(row[name]) for name in ("written", "gold", "left_out"))
    if row["answer_source"] == GOLD:
        return f"{gold} gold"
    kept = f"{written} of {written + gold + left_out} written"
    return f"{kept}, {left_out} left out" if left_out else f"{kept}, {gold} gold"


def _from_to(row: dict[str, Any], name: str, words: Callable[[float], str]) -> str:
    means = [row[f"{name}_base"], row[f"{name}_tuned"]]
    return " → ".join(map(words, means)) if all(map(is_number, means)) else NOT_KNOWN


def decomposition_table(results: StudyResults) -> dict[str, Any]:
    """Shares of the categories, one row per model state, with the change against the base."""
    return _categories(results.decomposition, results.decomposition_changes, CATEGORIES)


def follows_table(results: StudyResults) -> dict[str, Any]:
    """What answers to changed passages follow, one row per model state."""
    return _categories(results.follows, pd.DataFrame(), FOLLOWS)


def judge_fact_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per judge, data set, criterion and fact of its check."""
    rows = []
    for row in results.ladder_facts.to_dict("records"):
        words, share = JUDGE_FACTS[row["fact"]]
        low, high = (row[end] for end in ("low", "high"))
        write = _percent if share else number
        rows.append(
            {
                "judge": row["scorer"],
                "dataset": row.get("dataset", ""),
                "criterion": row["criterion"],
                "fact": words,
                "value": write(row["value"]),
                "interval": f"{write(low)} to {write(high)}" if is_number(low) else "–",
                "n": int(row["n"]),
            }
        )
    return rows


def agreement_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per criterion and pair of judges."""
    return [
        {
            "criterion": row["criterion"],
            "judges": f"{row['judge_a']} and {row['judge_b']}",
            **{name: _interval_words(row, name) for name in ("spearman", "kappa", "difference")},
            "n": int(row["n"]),
        }
        for row in results.judge_agreement.to_dict("records")
    ]


def _interval_words(row: dict[str, Any], name: str) -> str:
    if not is_number(row[name]):
        return NOT_KNOWN
    ends = " to ".join(number(row[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{number(row[name])} ({ends})"


def _percent(value: float) -> str:
    return f"{value:.0%}".replace("%", " %")


def _categories(
    shares: pd.DataFrame, changes: pd.DataFrame, meanings: dict[str, str]
) -> dict[str, Any]:
    if shares.empty:
        return {"columns": [], "rows": []}
    present = [name for name in meanings if (shares["category"] == name).any()]
    factors = run_factors(shares)
    changed = {}
    if not changes.empty:
        changed = {
            (*(row[name] for name in RUN_COLUMNS), row["category"]): row
            for row in changes.to_dict("records")
        }
    rows = []
    ordered = shares.assign(other=~is_base(shares)).sort_values(
        [*BASE_COLUMNS, "other", "train_size"], kind="stable"
    )
    for run, part in ordered.groupby(RUN_COLUMNS, sort=False, dropna=False):
        first = part.iloc[0]
        by_category = part.set_index("category")
        cells = []
        for name in present:
            share = by_category.loc[name] if name in by_category.index else None
            cells.append(_share_cell(share, changed.get((*run, name))))
        head = {"state": state_label(first), "factors": " · ".join(factor_words(first, factors))}
        rows.append({**head, "n": int(first["n_questions"]), "cells": cells})
    return {
        "columns": [{"name": category_label(name), "meaning": meanings[name]} for name in present],
        "rows": rows,
    }


def _share_cell(share: Any, change: dict[str, Any] | None) -> dict[str, str]:
    if share is None:
        return {"share": "0 %", "interval": "", "change": ""}

    def percent(value: float) -> str:
        return f"{value:.0%}".replace("%", " %")

    bounded = is_number(share["ci_low"]) and is_number(share["ci_high"])
    low, high = (f"{100 * share[name]:.0f}" * bounded for name in ("ci_low", "ci_high"))
    text = ""
    if change is not None:
        points = [_points(change[name]) for name in ("change", "ci_low", "ci_high")]
        text = f"{points[0]} points ({points[1]} to {points[2]})"
    return {
        "share": percent(share["share"]),
        "interval": f"{low}–{high} %" if bounded else "no interval",
        "change": text,
    }


def _points(change: float) -> str:
    return f"{100 * change + 0.0:+.0f}".replace("-", "−") if is_number(change) else "?"


def _with_cells(frame: pd.DataFrame, results: StudyResults):
    """(row, its common cells) of a table that explains comparisons, in the order of the table."""
    if "metric" not in frame:
        return
    factors = run_factors(frame)
    for row in frame.to_dict("records"):
        yield row, common_cells(row, factors, results)
