"""The one form that every data set is brought into: questions, documents, pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.reasoning import answer_in

ANSWER_TYPES = ("factoid", "yesno", "list", "summary", "unanswerable")
POOLS = ("train", "validation", "test")
# What a question that its documents do not answer is answered with; the first is the reference.
# Wordings of the same, short enough to be found inside a longer refusal, are right as well.
NO_ANSWER = (
    "The question cannot be answered from the documents.",
    "unanswerable",
    "cannot be answered",
    "can not be answered",
    "no answer",
    "not answerable",
    "not mentioned",
    "not stated",
    "not specified",
    "not provided",
    "not known",
    "unknown",
    "do not know",
    "don't know",
    "does not say",
    "no information",
    "insufficient information",
)


# Columns of questions that a model wrote: its name, and how many of them people read, struck out
# and mended, as {"read": ..., "struck_out": ..., "mended": ...}.
WRITTEN_BY, REVIEWED = "written_by_model", "reviewed"


@dataclass(frozen=True)
class Question:
    """One question with everything that is known about its right answer.

    `answers` are short and interchangeable. `reference` is what the judge sees and a model is
    trained on: the first answer, unless the data has a fuller one; where it has only that (a
    summary), `answers` is empty. `key_points` are the facts that a complete answer names, each a
    tuple of interchangeable wordings. `group` is what must not be shared between training and
    test (a paper, an article, a world); None: the data has none and it is derived. `scope` names
    the documents that the question is about where its wording alone does not say it ("Which
    baselines are used?"): questions of different scope are different questions, and a search can
    be restricted to the scope. `rewording` says the reference in other words, for the judge's
    check. `extra` has further columns of the data as they came, JSON values only.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    answer_type: str = "factoid"
    reference: str = ""
    key_points: tuple[tuple[str, ...], ...] = ()
    gold_doc_ids: tuple[str, ...] = ()
    group: str | None = None
    scope: str | None = None
    rewording: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("answers", "gold_doc_ids"):
            if isinstance(value := getattr(self, name), str):  # no list of letters
                object.__setattr__(self, name, (value,))
        self._leave_out_reasoning()
        if not self.reference and self.answers:
            object.__setattr__(self, "reference", self.answers[0])

    @property
    def single_values(self) -> dict[str, str | int | float]:
        """The further columns that hold one text or number each."""
        return {k: v for k, v in self.extra.items() if isinstance(v, (str, int, float))}

    def _leave_out_reasoning(self) -> None:
        """Answers that a model has written may hold its reasoning, which is no part of them.

        Raises StudyError where they hold nothing else.
        """
        given = (*self.answers, self.reference, self.rewording or "")
        if not all(isinstance(text, str) for text in given):
            return  # which `load` says, with the question
        if all(answer_in(text).text == text.strip() for text in given):
            return
        answers = tuple(filter(None, (answer_in(text).text for text in self.answers)))
        reference = answer_in(self.reference).text
        if not answers and not reference:
            raise StudyError(
                f"question '{self.id}': its answer is nothing but reasoning that has no end. "
                "Finish it, or take the question out."
            )
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "rewording", answer_in(self.rewording or "").text or None)


@dataclass(frozen=True, slots=True)
class Document:
    """One text of the corpus; `scope` as in `Question`. `copy_of` is the doc_id of an earlier
    document with the same text (`copies`); it is found out by `load`. There may be millions, so it
    has slots."""

    doc_id: str
    title: str
    text: str
    scope: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    copy_of: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class QADataset:
    """Questions, corpus, and what became of everything that was read.

    `read` is the number of questions in the source and `dropped` says why some are not used:
    reason -> number. They must add up, so that no loader can lose a question silently. `counts`
    holds whatever else a reader should know (evidence in tables, documents read twice, ...).

    Raises ValueError when the numbers do not add up.
    """

    questions: tuple[Question, ...]
    documents: tuple[Document, ...]
    read: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.read is None:
            object.__setattr__(self, "read", len(self.questions))
        used = self.read - sum(self.dropped.values())
        if used != len(self.questions):
            raise ValueError(
                f"{self.read} questions read, {dict(self.dropped)} dropped, "
                f"but {len(self.questions)} left"
            )
