"""People's tags on answers, as tables for the page and the explorer."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rag_study.analysis.states import context_label, context_rank, factor_words, state_label
from rag_study.common.wording import p_words, signed
from rag_study.labelling.tables import Shown
from rag_study.report.tables import run_factors

_KEY = ["Model state", "Context", "Tag"]
# The numbers of `tag_effects`: what they are called and how they are written.
_EFFECTS = {
    "with_base": ("Base", str),
    "with_tuned": ("Trained", str),
    "only_base": ("Only base", str),
    "only_tuned": ("Only trained", str),
    "points": ("Difference in points", lambda points: signed(points, "answer_length")),
    "p_value": ("p", p_words),
    "p_holm": ("p corrected", p_words),
    "n_questions": ("Questions", str),
    "n_clusters": ("Groups", str),
}
EFFECTS_TITLE = (
    "Questions with the tag on the base's and on the trained answer, of those where both were "
    "looked at"
)


def effects(table: pd.DataFrame) -> Shown:
    """`tag_effects` as words: each tag on a trained state's answers and on its base's."""
    rows = [
        [*cells, *(write(row[name]) for name, (_, write) in _EFFECTS.items())]
        for cells, row in _rows(_in_points(table))
    ]
    return Shown(EFFECTS_TITLE, _KEY, [title for title, _ in _EFFECTS.values()], rows)


def effect_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """As `effects`, with numbers, for a table that sorts them by itself."""
    rows = [
        [*cells, *(round(row[name], 3) for name in _EFFECTS)]
        for cells, row in _rows(_in_points(table))
    ]
    return pd.DataFrame(rows, columns=[*_KEY, *(title for title, _ in _EFFECTS.values())])


def counts(table: pd.DataFrame) -> Shown:
    """`tag_counts` as words: how many of a state's answers have each tag."""
    rows = [
        [
            *cells,
            str(row["n_tagged"]),
            f"{100 * row['n_tagged'] / row['n_looked']:.0f} %",
            str(row["n_looked"]),
            str(row["n_answers"]),
        ]
        for cells, row in _rows(table)
    ]
    return Shown(
        "Answers of each state by tag, of those that somebody looked at",
        _KEY,
        ["With the tag", "Share", "Looked at", "All answers"],
        rows,
    )


def _in_points(table: pd.DataFrame) -> pd.DataFrame:
    return table if table.empty else table.assign(points=100 * table["difference"])


def _rows(table: pd.DataFrame) -> list[tuple[list[str], dict[str, Any]]]:
    """The cells of _KEY beside each row, contexts in their order."""
    if table.empty:
        return []
    factors = run_factors(table)
    table = table.assign(rank=table["context"].map(context_rank))
    return [
        (
            [
                ", ".join([state_label(row), *factor_words(row, factors)]),
                context_label(row["context"]),
                row["tag"],
            ],
            row,
        )
        for row in table.sort_values("rank", kind="stable").to_dict("records")
    ]
