"""Single answers of two model states side by side, with their scores and what stands behind them.

Example:
    base, tuned = two_states(results, row)    # row: a comparison, or any mapping with its keys
    changes(base, tuned, "answer_recall")     # one row per question, largest change first
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rag_study.analysis import evidence
from rag_study.analysis.pairing import ALL_SEEDS, BASE_COLUMNS, DEFAULT, RUN_COLUMNS
from rag_study.common.wording import is_number
from rag_study.evaluation.metrics import METRICS, Metrics

CHANGE_COLUMNS = [
    "question_id",
    "question",
    "reference",
    "answer_type",
    "answer_base",
    "answer_tuned",
    "score_base",
    "score_tuned",
    "change",
]
_STATE = [name for name in RUN_COLUMNS if name not in BASE_COLUMNS]


def two_states(table: pd.DataFrame, row: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the base, as it is usually asked, and of the state that `row` names, in its
    context.

    `table` is the results or the evidence. Of a row about all seeds it is the first seed's adapter
    that is shown.
    """
    same = table["context"] == row["context"]
    for column in BASE_COLUMNS:
        same &= table[column] == row[column]
    here = table[same]
    base = here[(here["method"] == "none") & (here["prompting"] == DEFAULT)]
    for column in _STATE:
        if column != "seed":
            here = here[here[column] == row[column]]
    tuned = here[here["seed"] == seed_shown(here, row)]
    if base["seed"].nunique() > 1:  # examples in a prompt are drawn for each seed
        seed = seed_shown(tuned, row)
        base = base[base["seed"] == (seed if (base["seed"] == seed).any() else base["seed"].min())]
    return base, tuned


def seed_shown(rows: pd.DataFrame, row: Mapping[str, Any]) -> int:
    """The seed of a comparison; the first of `rows` where it is about all of them."""
    return int(rows["seed"].min()) if row["seed"] == ALL_SEEDS and len(rows) else int(row["seed"])


def changes(base: pd.DataFrame, tuned: pd.DataFrame, metric: str, judge: str = "") -> pd.DataFrame:
    """CHANGE_COLUMNS, one row per question that both answered: the largest change of a metric (by
    a judge) first, ties by question id; last where the change is not known (NaN)."""
    kept = ["question_id", "question", "reference", "answer_type", "answer", metric]
    base, tuned = (_once(rows, judge).reindex(columns=kept) for rows in (base, tuned))
    names = {"answer": "answer_{}", metric: "score_{}"}
    pairs = base.rename(columns={k: v.format("base") for k, v in names.items()}).merge(
        tuned[["question_id", "answer", metric]].rename(
            columns={k: v.format("tuned") for k, v in names.items()}
        ),
        on="question_id",
    )
    pairs["change"] = pairs["score_tuned"].astype(float) - pairs["score_base"].astype(float)
    pairs = pairs.sort_values("question_id").sort_values(
        "change", key=lambda change: -change.abs(), kind="stable", na_position="last"
    )
    return pairs[CHANGE_COLUMNS].reset_index(drop=True)


def scores(
    base: pd.DataFrame, tuned: pd.DataFrame, question_id: str, metrics: Metrics = METRICS
) -> list[dict[str, Any]]:
    """Every score of a question's two answers: metric, label, judge, base, tuned (None: not
    scored). Metrics that neither has are left out."""
    sides = [rows[rows["question_id"] == question_id] for rows in (base, tuned)]
    judges = sorted({judge for rows in sides for judge in rows["judge"].dropna() if judge})
    entries = []
    for name, metric in metrics.items():
        for judge in judges if metric.judged else [""]:
            values = [_first(_once(rows, judge), name) for rows in sides]
            if any(value is not None for value in values):
                head = {"metric": name, "label": metric.label, "judge": judge}
                entries.append(head | {"base": values[0], "tuned": values[1]})
    return entries


def passages_of(
    rows: pd.DataFrame, passages: pd.DataFrame, question_id: str
) -> list[dict[str, str]]:
    """Title and text of the passages in the prompt of a question, best first; [] without any.

    `rows` are those of the evidence that `two_states` gives.
    """
    if rows.empty or passages.empty:
        return []
    answer_rows = rows[rows["question_id"] == question_id]
    ids = None if answer_rows.empty else answer_rows.iloc[0]["passages"]
    if ids is None or isinstance(ids, float):  # none: answers from another system
        return []
    return evidence.texts(passages, answer_rows.iloc[0]["search"], list(ids))


def probabilities(
    rows: pd.DataFrame, question_id: str, metrics: Metrics = METRICS
) -> list[dict[str, Any]]:
    """The judges' probabilities of the scores 1 to 5 for one answer: metric, label, judge, p (five
    numbers) and mass (how much of the whole distribution they have)."""
    entries = []
    answer_rows = rows[rows["question_id"] == question_id] if len(rows) else rows
    for row in answer_rows.to_dict("records"):
        for name in metrics:
            p = row.get(f"{name}_p")
            if row["judge"] and p is not None and not isinstance(p, float):
                head = {"metric": name, "label": metrics.label(name), "judge": row["judge"]}
                entries.append(head | {"p": [float(x) for x in p], "mass": row.get(f"{name}_mass")})
    return entries


def _once(rows: pd.DataFrame, judge: str) -> pd.DataFrame:
    """One row per question: those of the judge, or any one where none is asked for."""
    rows = rows[rows["judge"] == judge] if judge else rows
    return rows.drop_duplicates("question_id")


def _first(rows: pd.DataFrame, metric: str) -> float | None:
    value = rows[metric].iloc[0] if metric in rows and len(rows) else None
    return float(value) if is_number(value) else None
