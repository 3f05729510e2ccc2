"""The passages that each context condition gives to a question.

Context conditions: `none` (closed book), `retrieved` (the best passages of the search), `oracle`
(passages of the gold documents, at most as many as are retrieved), `training` (closed book, but
the questions are those that the model was trained on).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import Question
from rag_study.text import contains


@dataclass(frozen=True)
class Passage:
    chunk_id: str
    doc_id: str
    title: str
    text: str


class ContextBuilder:
    """Chooses the passages of each question for each context condition."""

    def __init__(self, chunks: pd.DataFrame, hits: pd.DataFrame, top_k: int):
        self._passages = {
            row.chunk_id: Passage(row.chunk_id, row.doc_id, row.title, row.text)
            for row in chunks.itertuples()
        }
        best = hits[hits["rank"] <= top_k].sort_values(["question_id", "rank"])
        self._hits = best.groupby("question_id")["chunk_id"].agg(list).to_dict()
        self._by_document: dict[str, list[Passage]] = {}
        for passage in self._passages.values():
            self._by_document.setdefault(passage.doc_id, []).append(passage)
        self._top_k = top_k

    def passages(self, question: Question, context: str) -> list[Passage]:
        """Passages in the order of the prompt; empty for `none`."""
        match context:
            case "none" | "training":
                return []
            case "retrieved":
                return [self._passages[chunk_id] for chunk_id in self._hits.get(question.id, [])]
            case "oracle":
                return self._oracle(question)
        raise StudyError(f"unknown context '{context}'; known: none, retrieved, oracle, training")

    def _oracle(self, question: Question) -> list[Passage]:
        """Gold passages, those with an answer first, cut to the number that is retrieved."""
        gold = [p for doc_id in question.gold_doc_ids for p in self._by_document[doc_id]]
        return sorted(gold, key=lambda p: not contains_answer(p.text, question))[: self._top_k]


def contains_answer(text: str, question: Question) -> bool:
    """Whether a right answer stands in the text as whole words; for a question without short
    answers, whether any of its key points does."""
    wordings = question.answers or [w for point in question.key_points for w in point]
    return any(contains(text, wording) for wording in wordings)
