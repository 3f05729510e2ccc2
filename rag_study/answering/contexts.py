"""The passages that each context condition (`conditions`) gives to a question.

A condition that a question cannot have is said with its reason, never filled with something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pandas as pd

from rag_study.answering import counterfactual
from rag_study.answering.conditions import CONDITIONS, ORDERS
from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.text import contains
from rag_study.data.schema import Question
from rag_study.retrieval.passage import (
    Passage,
    answer_among,
    answer_wordings,
    contains_answer,
    gold_among,
)

NO_GOLD = "no gold passage is known"


@dataclass(frozen=True)
class Context:
    """What a question is given in one condition.

    `passages`, best first, is None where the question cannot have the condition, and
    `missing_reason` then says why. `gold_in_context` and `answer_in_context` are as in
    `gold_among` and `answer_among`; a counterfactual passage still counts as gold. `other_answer`
    is what a counterfactual context says in place of the right answer.
    """

    passages: tuple[Passage, ...] | None
    gold_in_context: bool | None = None
    answer_in_context: bool | None = None
    other_answer: str | None = None
    missing_reason: str | None = None


class ContextBuilder:
    """Chooses the passages of each question for each context condition.

    `chunks` and `hits` are the tables of `retrieval.chunk_table` and `retrieval.retrieve`. The
    hits of every question reach deeper than `top_k` where distractors are asked for. `pool` holds
    the questions whose answers counterfactual contexts may borrow: give all pools of the data
    set, always the same, since the choice depends on them.
    """

    def __init__(
        self, chunks: pd.DataFrame, hits: pd.DataFrame, top_k: int, pool: Sequence[Question] = ()
    ):
        self._passages = {
            row.chunk_id: Passage(row.chunk_id, row.doc_id, row.title, row.text)
            for row in chunks.itertuples()
        }
        self._tokens = dict(zip(chunks["chunk_id"], chunks["tokens"], strict=True))
        ordered = hits.sort_values(["question_id", "rank"])
        self._found = ordered.groupby("question_id")["chunk_id"].agg(list).to_dict()
        # The passages of a document by text: its own, then its copies', which have its doc_id.
        self._texts: dict[str, dict[str, list[Passage]]] = {}
        for passage in self._passages.values():
            text_of = passage.chunk_id.rpartition("#")[0]
            self._texts.setdefault(passage.doc_id, {}).setdefault(text_of, []).append(passage)
        self._top_k = top_k
        self._others = counterfactual.OtherAnswers(pool)

    @classmethod
    def of_run(
        cls, folder: Path, top_k: int, pools: Mapping[str, Sequence[Question]]
    ) -> ContextBuilder:
        """From the tables that stage 02 wrote into the folder of its run, and all pools."""
        return cls(
            files.read_parquet(folder / "chunks.parquet"),
            files.read_parquet(folder / "retrieved.parquet"),
            top_k,
            pool=list(chain(*pools.values())),
        )

    def context(self, question: Question, condition: str) -> Context:
        """The context of a question in a condition. Raises StudyError for an unknown condition."""
        match condition:
            case "none" | "training":
                return _context(question, [])
            case "retrieved":
                return _context(question, self.found(question)[: self._top_k])
            case "oracle":
                return self._oracle(question)
            case "distractor":
                return self._distractor(question)
            case "counterfactual":
                return self._counterfactual(question)
        raise StudyError(f"unknown context '{condition}'; known: {', '.join(CONDITIONS)}")

    def found(self, question: Question) -> list[Passage]:
        """All that the search found for the question, best first, also below `top_k`."""
        return [self._passages[chunk_id] for chunk_id in self._found.get(question.id, [])]

    def distractors(self, question: Question) -> list[Passage]:
        """Those of `found` that are of no gold document and help with no answer: no right answer
        stands in title or text, and no wording of a key point."""
        wordings = answer_wordings(question)
        return [
            passage
            for passage in self.found(question)
            if passage.doc_id not in question.gold_doc_ids
            and not any(contains(passage.shown, wording) for wording in wordings)
        ]

    def _oracle(self, question: Question) -> Context:
        """Passages with an answer first, then those that name the most key points.

        As many as are retrieved at most, and of those behind the first only what fits into the
        tokens that the question's retrieved passages have together.
        """
        gold = [p for doc_id in question.gold_doc_ids for p in self._passages_of(doc_id, question)]
        if not gold:
            return Context(None, missing_reason=NO_GOLD)

        def rank(passage: Passage) -> tuple[bool, int]:
            points = (
                any(contains(passage.text, w) for w in point) for point in question.key_points
            )
            return not contains_answer(passage.text, question), -sum(points)

        budget = sum(self._tokens[p.chunk_id] for p in self.found(question)[: self._top_k])
        chosen: list[Passage] = []
        for passage in sorted(gold, key=rank):
            used = sum(self._tokens[p.chunk_id] for p in (*chosen, passage))
            if not chosen or (used <= budget and len(chosen) < self._top_k):
                chosen.append(passage)
        return _context(question, chosen)

    def _passages_of(self, doc_id: str, question: Question) -> list[Passage]:
        """Of a document and its copies one is enough: the first that holds an answer, which a near
        copy need not, else the first."""
        texts = [*self._texts.get(doc_id, {}).values()]
        if len(texts) == 1:
            return texts[0]
        holding = (t for t in texts if any(contains_answer(p.text, question) for p in t))
        return next(holding, texts[0] if texts else [])

    def _distractor(self, question: Question) -> Context:
        """As many distractors as passages are retrieved, from deeper ranks where it takes that."""
        chosen = self.distractors(question)[: self._top_k]
        if not chosen:
            return Context(None, missing_reason="the search found no passage without the answer")
        return _context(question, chosen)

    def _counterfactual(self, question: Question) -> Context:
        """The oracle's passages with another answer, in title and text."""
        oracle = self._oracle(question).passages
        reason = counterfactual.impossible(question)
        if reason or oracle is None:
            return Context(None, missing_reason=reason or NO_GOLD)
        shown = [passage.shown for passage in oracle]
        if not any(counterfactual.names_answer(text, question) for text in shown):
            return Context(None, missing_reason="the answer does not stand in the gold passages")
        other = self._others.find(question, shown)
        if other is None:
            return Context(None, missing_reason="there is no other answer of its kind")

        def changed(text: str) -> str:
            return counterfactual.replace_answer(text, question, other)

        passages = [replace(p, title=changed(p.title), text=changed(p.text)) for p in oracle]
        if any(counterfactual.still_right(passage.shown, question) for passage in passages):
            return Context(None, missing_reason="the answer stands there in another form too")
        return replace(_context(question, passages), other_answer=other)


def _context(question: Question, passages: Sequence[Passage]) -> Context:
    return Context(
        tuple(passages), gold_among(question, passages), answer_among(question, passages)
    )


def in_prompt_order(passages: Sequence[Passage], order: str) -> list[Passage]:
    """Passages that come best first, in the order in which the prompt shows them.

    To be applied to what is left after the window has cut the worst ones off.
    """
    if order not in ORDERS:
        raise StudyError(f"unknown order of passages '{order}'; known: {', '.join(ORDERS)}")
    return list(passages) if order == "best_first" else list(reversed(passages))
