"""How good a search is, question by question, against the gold documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag_study.data.schema import Question

if TYPE_CHECKING:
    import pandas as pd


def question_metrics(
    hits: pd.DataFrame,
    questions: Sequence[Question],
    depth: int,
    chunks: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Metrics within the first k passages of every question with gold documents.

    One row per question and k = 1..depth: question_id, group, k, and

    - recall: share of the gold documents found,
    - reciprocal_rank: 1 / rank of the first gold passage, 0 if none,
    - precision: gold documents found / k,
    - ndcg: discounted cumulated gain over the best possible one (Järvelin and Kekäläinen 2002),
      gains 0 and 1, discount log2(rank + 1),
    - answer_in_context, with `chunks` (`chunk_table`): whether the answer stands in the passages
      (`contexts.answer_among`); missing where no wording of it can be looked for.

    A gold document counts once, at its first passage, however many passages of it are found. With
    fewer than k passages found the missing ones count as not gold.
    """
    import pandas as pd

    by_question = dict(list(hits.groupby("question_id", sort=False)))
    in_context = _AnswerSearch(chunks) if chunks is not None else None
    rows = []
    for question in questions:
        gold = set(question.gold_doc_ids)
        if not gold:
            continue
        ranked = by_question.get(question.id, hits.iloc[:0]).sort_values("rank")
        gains = _gains(ranked["doc_id"].tolist(), gold, depth)
        first = next((rank for rank, gain in enumerate(gains, start=1) if gain), None)
        answered = in_context.by_k(question, ranked, depth) if in_context else None
        n_gold = gained = best = 0.0
        for k in range(1, depth + 1):
            discount = 1 / math.log2(k + 1)
            n_gold += gains[k - 1]
            gained += gains[k - 1] * discount
            best += discount if k <= len(gold) else 0.0
            reciprocal = 1 / first if first and first <= k else 0.0
            row = [question.id, question.group, k, n_gold / len(gold), reciprocal, n_gold / k]
            row.append(gained / best)
            rows.append(row if answered is None else [*row, answered[k - 1]])
    columns = ["question_id", "group", "k", "recall", "reciprocal_rank", "precision", "ndcg"]
    if in_context:
        table = pd.DataFrame(rows, columns=[*columns, "answer_in_context"])
        return table.astype({"answer_in_context": "Float64"})
    return pd.DataFrame(rows, columns=columns)


def _gains(docs: list[str], gold: set[str], depth: int) -> list[float]:
    """1 at the first passage of each gold document, else 0; as long as `depth`."""
    remaining, gains = set(gold), [0.0] * depth
    for place, doc in enumerate(docs[:depth]):
        if doc in remaining:
            remaining.discard(doc)
            gains[place] = 1.0
    return gains


class _AnswerSearch:
    def __init__(self, chunks: pd.DataFrame):
        from rag_study.retrieval.passage import Passage

        self._passages = {
            row.chunk_id: Passage(row.chunk_id, row.doc_id, row.title, row.text)
            for row in chunks.itertuples()
        }

    def by_k(self, question: Question, ranked: pd.DataFrame, depth: int) -> list[float | None]:
        """Whether the answer stands in the first k passages, for k = 1..depth; None: no wording."""
        from rag_study.retrieval.passage import answer_among

        passages = [self._passages[chunk_id] for chunk_id in ranked["chunk_id"]]
        answered: list[float | None] = []
        for k in range(1, depth + 1):
            if answered and (answered[-1] == 1 or k > len(passages)):
                answered.append(answered[-1])  # more passages take nothing away
            else:
                among = answer_among(question, passages[:k])
                answered.append(None if among is None else float(among))
        return answered
