"""Which questions changed: cells and sentences about those that fell and rose, and about kinds of
questions. Like `tables`, numbers come out as words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rag_study.analysis.effects import of_recipes
from rag_study.analysis.flips import BY_REFERENCE
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.slices import LOST_MOST
from rag_study.analysis.states import context_label, context_rank, factor_words, state_label
from rag_study.analysis.study_results import StudyResults
from rag_study.common.wording import counted, is_number, p_words, signed
from rag_study.report.headline import scored_headline_row
from rag_study.report.tables import common_cells, run_factors

_KEY = [*RUN_COLUMNS, "context", "metric", "judge"]
# Where the reference decides, there is no metric of this name.
_BY_REFERENCE = "Right answer in it"


def shown_by(results: StudyResults, table: pd.DataFrame, usual: str) -> tuple[str, str]:
    """The (metric, judge) of a table that figure and sentences are about: those of the headline,
    where the table has them, else the metric `usual`, else the first there is."""
    there = [*table[["metric", "judge"]].drop_duplicates().itertuples(index=False, name=None)]
    row = scored_headline_row(results)
    wanted = [] if row is None else [(row["metric"], row["judge"])]
    return next((pair for pair in [*wanted, (usual, "")] if pair in there), there[0])


def flips_shown(results: StudyResults) -> pd.DataFrame:
    """The rows of `flips` that figure and sentences are about, contexts in their order."""
    if results.flips.empty:
        return results.flips
    metric, judge = shown_by(results, results.flips, BY_REFERENCE)
    rows = of_recipes(results.flips)
    rows = rows[(rows["metric"] == metric) & (rows["judge"] == judge)]
    return rows.assign(rank=rows["context"].map(context_rank)).sort_values("rank", kind="stable")


def flip_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per recipe, context and definition of right."""
    if results.flips.empty:
        return []
    rows, factors = of_recipes(results.flips), run_factors(results.flips)
    return [
        {
            **common_cells(row, factors, results),
            **({"metric": _BY_REFERENCE} if row["metric"] == BY_REFERENCE else {}),
            "definition": row["definition"],
            **{name: _amount(row[name]) for name in ("fell", "rose")},
            **{name: _amount(row[name]) for name in ("stayed_right", "stayed_wrong")},
            "difference": _points(row["difference"]),
            "low": _points(row["ci_low"]),
            "high": _points(row["ci_high"]),
            "p": p_words(row["p_value"]),
            "p_fdr": p_words(row["p_fdr"]),
        }
        for row in rows.to_dict("records")
    ]


def flip_sentences(results: StudyResults) -> list[str]:
    """What became of the questions, a sentence for each recipe and context that is shown first."""
    rows = flips_shown(results)
    factors = run_factors(rows) if len(rows) else []
    return [
        f"{_state(row, factors)}, {context_label(row['context'])}: of "
        f"{counted(row['n_questions'], 'question')} {_amount(row['fell'])} fell from right to "
        "wrong, "
        f"{_amount(row['rose'])} rose "
        f"from wrong to right, {_amount(row['stayed_right'])} stayed right and "
        f"{_amount(row['stayed_wrong'])} stayed wrong: {flip_words(row)}."
        for row in rows.to_dict("records")
    ]


def flip_words(row: dict[str, Any]) -> str:
    """What a row of `flips` comes to: "more fell than rose, beyond chance"."""
    if row["fell"] + row["rose"] == 0:
        return "none changed"
    if not row["p_fdr"] < 0.05:
        return "the difference may be chance"
    return f"more {'fell than rose' if row['difference'] < 0 else 'rose than fell'}, beyond chance"


def flip_examples(results: StudyResults) -> dict[str, list[dict[str, Any]]]:
    """Questions that fell and that rose, in the first of the rows that are shown."""
    shown, examples = flips_shown(results), results.flip_examples
    if shown.empty or examples.empty:
        return {"fell": [], "rose": [], "about": ""}
    row = _about(results, shown)
    there = examples[(examples[_KEY] == list(row[_KEY])).all(axis=1)]
    by_kind = {kind: there[there["kind"] == kind].to_dict("records") for kind in ("fell", "rose")}
    about = f"{_state(row, run_factors(shown))}, {context_label(row['context'])}"
    return by_kind | {"about": about, "definition": row["definition"]}


def _about(results: StudyResults, shown: pd.DataFrame) -> pd.Series:
    """That of the headline where it is among those shown, else the first."""
    row = scored_headline_row(results)
    if row is not None:
        same = (shown[_KEY] == list(row[_KEY])).all(axis=1)
        if same.any():
            return shown[same].iloc[0]
    return shown.iloc[0]


def slices_shown(results: StudyResults, context: str) -> pd.DataFrame:
    """The rows of `slices` that the figure is about: those of one context (the first there is
    where it has none), metric and judge."""
    rows = results.slices
    if rows.empty:
        return rows
    contexts = sorted(rows["context"].unique(), key=lambda c: (c != context, context_rank(c)))
    rows = rows[rows["context"] == contexts[0]]
    metric, judge = shown_by(results, rows, "answer_recall")
    return rows[(rows["metric"] == metric) & (rows["judge"] == judge)]


def slice_rows(results: StudyResults) -> list[dict[str, Any]]:
    """One row per recipe, context, metric and slice."""
    if results.slices.empty:
        return []
    factors = run_factors(results.slices)
    return [
        {
            **common_cells(row, factors, results),
            "slicing": row["slicing"],
            "slice": row["slice"],
            "groups": int(row["n_clusters"]),
            "known": is_number(row["difference"]),
            **{name: signed(row[name], row["metric"]) for name in _NUMBERS},
            "p_fdr": p_words(row["p_fdr"]),
            "p_slicing_fdr": p_words(row["p_slicing_fdr"]),
            "finding": row["finding"],
        }
        for row in results.slices.to_dict("records")
    ]


_NUMBERS = ("difference", "shrunken", "shrunken_low", "shrunken_high", "rest")


def slice_sentences(results: StudyResults) -> list[str]:
    """Which kinds of questions lost most, where that holds; that none is known, where none does."""
    if results.slices.empty:
        return []
    rows, factors = results.slices, run_factors(results.slices)
    found = [
        f"{_state(row, factors)}, {context_label(row['context'])}, "
        f"{results.metrics.in_text(row['metric'])}: questions with “{row['slicing']}: "
        f"{row['slice']}” lost most, {signed(row['shrunken'], row['metric'])} "
        f"({signed(row['shrunken_low'], row['metric'])} to "
        f"{signed(row['shrunken_high'], row['metric'])}) on {row['n_questions']:,}; all others "
        f"{signed(row['rest'], row['metric'])}."
        for row in rows[rows["finding"] == LOST_MOST].to_dict("records")
    ]
    return found or [
        "No kind of question is known to have lost more than the rest: what looks like it may be "
        "chance."
    ]


def _state(row: Any, factors: list[str]) -> str:
    return ", ".join([state_label(row), *factor_words(row, factors)])


def _amount(value: float) -> str:
    """A number of questions; a mean over seeds has one decimal where it is not whole."""
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 else f"{value:,.1f}"


def _points(share: float) -> str:
    """A share as percentage points: "−7"."""
    return signed(100 * share, "answer_length").removesuffix(".0") if is_number(share) else "?"
