"""Graded answers as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rag_study.data.schema import Question
from rag_study.evaluation.judging.criteria import Criterion

_LONGEST = 300


def extremes(
    scores: pd.DataFrame,
    questions: Sequence[Question],
    criterion: Criterion,
    text: str = "answer",
    most: int = 3,
) -> pd.DataFrame:
    """The answers with the highest and the lowest scores that the model itself gave, highest first.

    `text` is the column with the answer. Beside question, reference and answer stand the score and
    the probabilities of the five digits. Empty where the model gave no score.
    """
    by_id = {question.id: question for question in questions}
    asked = scores[(scores["judge_by_rule"] == "") & scores[criterion.metric].notna()]
    # What is shown as equal stays in its order: further digits differ between processors.
    asked = asked.sort_values(
        criterion.metric, ascending=False, kind="stable", key=lambda scores: scores.round(2)
    )
    asked = pd.concat([asked.head(most), asked.iloc[max(most, len(asked) - most) :]])
    rows = [
        {
            "score": round(row[criterion.metric], 2),
            "p of 1, 2, 3, 4, 5": " ".join(f"{p:.2f}" for p in row[f"{criterion.metric}_p"]),
            "question": _cut(by_id[row["question_id"]].question),
            "reference": _cut(by_id[row["question_id"]].reference),
            text: _cut(row[text]),
        }
        for row in asked.to_dict("records")
    ]
    return pd.DataFrame(rows)


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
