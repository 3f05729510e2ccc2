"""What the references themselves score: each reference as if it were the answer to its question.

No answer can be expected to do better. Where a full right answer fails a metric (it says "the
kidneys" in other words, or more than the short answer), the metric says less than its name does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag_study.common.wording import listed
from rag_study.data.schema import Question
from rag_study.evaluation import reference
from rag_study.evaluation.metrics import METRICS, Metrics

if TYPE_CHECKING:
    import pandas as pd

# Metrics of the wording, of which every right answer should have the highest score.
MEASURED = ("answer_recall", "key_point_recall", "exact_match", "token_f1", "rouge_l")
ALL = "all"
WARNED = 0.9  # below this a reader is told
FAILED = 0.5  # below this most right answers fail, and the metric carries no verdict


def ceiling(questions: Sequence[Question]) -> pd.DataFrame:
    """Mean score of the references by answer type.

    Columns: answer_type ("all" in the last row), questions, and each of MEASURED, NaN where no
    question of the type has the metric. References of questions that cannot be answered are
    refusals, and are scored as such.
    """
    import pandas as pd

    columns = ["answer_type", "questions", *MEASURED]
    rows = [{"answer_type": q.answer_type, **reference.score(q.reference, q)} for q in questions]
    if not rows:
        return pd.DataFrame(columns=columns)
    scores = pd.DataFrame(rows)
    scores[list(MEASURED)] = scores[list(MEASURED)].astype(float)

    def means(group: pd.DataFrame, name: str) -> dict[str, object]:
        values = group[list(MEASURED)].mean()
        return {"answer_type": name, "questions": len(group), **values}

    by_type = [means(group, name) for name, group in scores.groupby("answer_type", sort=True)]
    return pd.DataFrame([*by_type, means(scores, ALL)], columns=columns)


def ceiling_sentences(
    table: pd.DataFrame, names: Sequence[str] = MEASURED, metrics: Metrics = METRICS
) -> list[str]:
    """A sentence for each of the metrics in which the references of an answer type stay below 0.9.

    `table` is that of `ceiling`.
    """
    found = []
    for name in names:
        if name not in table:
            continue
        low = table[(table["answer_type"] != ALL) & (table[name] < WARNED)]
        if low.empty:
            continue
        by_type = listed([f"{row[name]:.2f} ({row['answer_type']})" for _, row in low.iterrows()])
        found.append(
            f"The references themselves score {by_type} in {metrics.in_text(name)}, where 1 is the "
            "highest: a right answer may score no more than that."
        )
    return found


def objections(
    table: pd.DataFrame, names: Sequence[str], metrics: Metrics = METRICS
) -> dict[tuple[str, str], str]:
    """Why a metric that most references of a data set fail (mean below 0.5 over all questions)
    carries no verdict: (metric, "") -> reason, in the form of `analysis.objections`.

    `table` is that of `ceiling` with the column dataset, of one data set or several.
    """
    found = {}
    overall = table[table["answer_type"] == ALL] if len(table) else table
    for row in overall.to_dict("records"):
        for name in names:
            if row.get(name, 1.0) < FAILED:
                found[name, ""] = (
                    f"the references of {row['dataset']} themselves score {row[name]:.2f} in "
                    f"{metrics.in_text(name)}, so it does not tell right answers from wrong ones"
                )
    return found
