"""The one form that every data set is brought into: questions, documents, pools."""

from __future__ import annotations

from dataclasses import dataclass, field

ANSWER_TYPES = ("factoid", "yesno", "list", "summary", "unanswerable")
POOLS = ("train", "validation", "test")


@dataclass(frozen=True)
class Question:
    """One question with everything that is known about its right answer.

    `answers` are short and interchangeable; the first is the reference that the judge sees.
    `key_points` are the atomic facts that a complete answer names (may be empty).
    `group` is what must not be shared between training and test (a paper, an article, a world);
    None means that the data set has none and it is to be derived.
    `rewording` says the reference answer in other words: the judge's check needs a right answer
    that is not the reference string itself.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    answer_type: str = "factoid"
    key_points: tuple[str, ...] = ()
    gold_doc_ids: tuple[str, ...] = ()
    group: str | None = None
    rewording: str | None = None


@dataclass(frozen=True)
class Document:
    """One text of the corpus."""

    doc_id: str
    title: str
    text: str


@dataclass(frozen=True)
class QADataset:
    """Questions, corpus, and what was seen while reading them (`counts`: reason -> number)."""

    questions: tuple[Question, ...]
    documents: tuple[Document, ...]
    counts: dict[str, int] = field(default_factory=dict)
