"""What a load has gathered so far: questions, passages, and what became of the rest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from rag_study.common.errors import StudyError
from rag_study.data.reading.fields import MAX_ANSWER_WORDS, is_short
from rag_study.data.schema import Document, Question

TOO_LONG = f"the short answer is longer than {MAX_ANSWER_WORDS} words"
NO_GOLD = "questions without a gold passage"


class Collection:
    """Questions and documents by id, in the order of the source, with everything counted."""

    def __init__(self) -> None:
        self.read = 0
        self.questions: dict[str, Question] = {}
        self.documents: dict[str, Document] = {}
        self.dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def add(self, question: Question) -> None:
        """Take a question in."""
        self.questions[question.id] = question
        if not question.gold_doc_ids:
            self.counts[NO_GOLD] += 1

    def passage(self, title: str, text: str) -> str:
        """The id of a passage; the same title and text are one document, whoever names it."""
        digest = hashlib.sha256(f"{title}\n{text}".encode(errors="replace")).hexdigest()[:10]
        doc_id = f"{title.replace(' ', '_') or 'passage'}-{digest}"
        if doc_id not in self.documents:
            self.documents[doc_id] = Document(doc_id, title, text)
        return doc_id

    def repeated(self, question_id: str, text: str, where: str) -> bool:
        """Whether the id was there before, which drops the question.

        Raises StudyError when it was another question's.
        """
        earlier = self.questions.get(question_id)
        if earlier is None:
            return False
        if earlier.question != text:
            raise StudyError(
                f"{where}: the id '{question_id}' belongs to another question as well "
                f"({earlier.question!r}). Ids must be unique."
            )
        self.dropped["same id and question as an earlier record"] += 1
        return True

    def new_id(self, text: str, answers: tuple[str, ...]) -> str | None:
        """An id for a question of a source without ids, from its wording.

        None when the same question with the same answers was there before, which drops it.
        """
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
        question_id, number = f"nq-{digest}", 1
        while (earlier := self.questions.get(question_id)) is not None:
            if set(earlier.answers) == set(answers):
                self.dropped["same question and answers as an earlier record"] += 1
                return None
            number += 1
            question_id = f"nq-{digest}-{number}"
        return question_id

    def short(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The distinct answers among texts: single blanks, none empty, none as long as a passage.

        Those that are too long are counted.
        """
        distinct = dict.fromkeys(" ".join(text.split()) for text in texts)
        fit = tuple(text for text in distinct if text and is_short(text))
        self.counts[f"short answers of more than {MAX_ANSWER_WORDS} words, left out"] += sum(
            not is_short(text) for text in distinct
        )
        return fit
