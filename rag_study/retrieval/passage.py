"""Is the answer to a question among these passages?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from rag_study.common.text import contains
from rag_study.data.schema import Question


@dataclass(frozen=True)
class Passage:
    """A piece of a document, as it is shown to a model."""

    chunk_id: str
    doc_id: str
    title: str
    text: str

    @property
    def shown(self) -> str:
        """Title and text."""
        return f"{self.title}\n{self.text}"


def gold_among(question: Question, passages: Iterable[Passage]) -> bool | None:
    """Whether a passage of a gold document is among them; None where no gold document is known."""
    if not question.gold_doc_ids:
        return None
    return any(passage.doc_id in question.gold_doc_ids for passage in passages)


def answer_among(question: Question, passages: Sequence[Passage]) -> bool | None:
    """Whether one passage says a right answer, or they say all key points between them; None
    where no wording of the answer is to be looked for (see `answer_wordings`)."""
    if not answer_wordings(question):
        return None
    shown = [passage.shown for passage in passages]
    return any(contains(text, answer) for text in shown for answer in question.answers) or (
        bool(question.key_points)
        and all(
            any(contains(text, wording) for text in shown for wording in point)
            for point in question.key_points
        )
    )


def answer_wordings(question: Question) -> list[str]:
    """Everything that gives the answer away: answers, reference, wordings of key points.

    Empty for yes/no questions and those without an answer: "no" and "unknown" stand anywhere.
    """
    if question.answer_type in ("yesno", "unanswerable"):
        return []
    return [*question.answers, question.reference, *chain(*question.key_points)]


def contains_answer(text: str, question: Question) -> bool:
    """Whether a right answer stands in the text as whole words; for a question without short
    answers, whether any of its key points does."""
    wordings = question.answers or [w for point in question.key_points for w in point]
    return any(contains(text, wording) for wording in wordings)
