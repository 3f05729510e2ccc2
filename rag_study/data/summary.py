"""Tables that show what a data set holds and what became of every question in it."""

from __future__ import annotations

import pandas as pd

from rag_study.common.text import length
from rag_study.data.schema import Document, QADataset, Question
from rag_study.data.splits import Split


def funnel(dataset: QADataset, split: Split) -> pd.DataFrame:
    """From the source to the pools, step by step: `step`, `questions`, `left` after it.

    Raises ValueError when the steps do not add up to the pools.
    """
    steps = [("in the source", dataset.read)]
    steps += [(f"dropped: {why}", -n) for why, n in dataset.dropped.items() if n]
    steps += [(f"dropped: {why}", -n) for why, n in split.dropped.items() if n]
    table = pd.DataFrame(steps, columns=["step", "questions"])
    table["left"] = table["questions"].cumsum()
    used = sum(split.sizes().values())
    if table["left"].iloc[-1] != used:
        raise ValueError(f"{table['left'].iloc[-1]} questions are left, {used} are in the pools")
    pools = [(f"in the {pool} pool", n, n) for pool, n in split.sizes().items()]
    return pd.concat([table, pd.DataFrame(pools, columns=table.columns)], ignore_index=True)


def question_table(split: Split) -> pd.DataFrame:
    """One row per question: pool, group, answer type, question, reference answer and counts."""
    return pd.DataFrame(
        [
            {
                "pool": pool,
                "group": q.group,
                "answer type": q.answer_type,
                "question": q.question,
                "reference answer": q.reference,
                "right answers": len(q.answers),
                "key points": len(q.key_points),
                "gold documents": len(q.gold_doc_ids),
            }
            for pool, members in split.pools.items()
            for q in members
        ]
    )


def lengths(questions: list[Question], documents: list[Document]) -> pd.DataFrame:
    """Words per question, per reference answer and per document: mean, quartiles, extremes.
    Letters count in scripts without blanks."""
    texts = {
        "question": [q.question for q in questions],
        "reference answer": [q.reference for q in questions],
        "document": [d.text for d in documents],
    }
    counts = {name: pd.Series([length(t) for t in of]) for name, of in texts.items()}
    return pd.DataFrame({name: words.describe() for name, words in counts.items()}).T.round(1)
