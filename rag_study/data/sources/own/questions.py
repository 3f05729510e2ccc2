"""Questions out of own tables: each row checked, with its documents, left out and counted where it
asks or answers nothing."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.data.reading import fields, gold, rows
from rag_study.data.reading.columns import QUESTION_COLUMNS
from rag_study.data.reading.delimited import OVERFLOW
from rag_study.data.reading.passages import Passages
from rag_study.data.reading.workbooks import NO_VALUE
from rag_study.data.registry import Source
from rag_study.data.schema import Document, Question
from rag_study.data.sources.own import tables
from rag_study.data.sources.own.layout import Layout

WHOLE_FILES = "gold documents given as a whole file: the parts that hold the answer"
TOO_LONG = f"without gold documents: a file of more than {gold.MOST_PARTS} parts is named"
REPEATED = "the same row again"


class QuestionReader:
    """Reads the rows of questions; documents that stand in them are added to `documents`."""

    def __init__(
        self, source: Source, place: Layout, documents: dict[str, Document], counts: Counter[str]
    ):
        self.number = 0
        self.dropped: Counter[str] = Counter()
        options = source.options
        self._path, self._place, self._options = source.path, place, options
        self._documents, self._counts = documents, counts
        # Contexts beside a corpus are a column like others, unless they are named.
        is_corpus = bool(documents)
        self._contexts = [
            key for key in ("contexts", "gold_contexts") if not is_corpus or key in options.columns
        ]
        self._passages = Passages(documents) if self._contexts else None
        by_name = place.texts is not None or "gold_doc_ids" in options.columns
        self._names = gold.Names(documents) if by_name else None
        self._relevant = tables.relevant(place)
        self._seen: dict[str, int] = {}
        self._near: dict[str, list[str]] = {}
        self._first_dropped = ""

    def read(self) -> list[Question]:
        """All questions that can be used; `number` and `dropped` say of how many rows. Raises
        StudyError for the first thing wrong, and where too many rows are left out."""
        questions: dict[str, Question] = {}
        for file in self._place.questions:
            asked = tables.question_rows(file, self._place, self._options, self._counts)
            for where, row in asked:
                self.number += 1
                try:
                    question = self._question(row, where)
                except rows.Unusable as error:
                    self.dropped[error.reason] += 1
                    self._first_dropped = self._first_dropped or str(error)
                    continue
                rows.add_question(
                    questions, question, where, self._documents, self._place.corpus_name
                )
        self._refuse_too_few(questions)
        if not self._documents:
            raise StudyError(self._place.no_documents(self._path))
        return self._with_gold(list(questions.values()))

    def _refuse_too_few(self, questions: Mapping[str, Question]) -> None:
        label = self._place.questions[0].label
        if not self.number:
            raise StudyError(f"{label}: the file holds no questions.")
        gone, most = sum(self.dropped.values()), self._options.max_dropped
        if questions and gone <= most * self.number:
            return
        reasons = "; ".join(f"{reason}: {n:,}" for reason, n in self.dropped.most_common())
        raise StudyError(
            f"{label}: {gone:,} of {counted(self.number, 'row')} cannot be used ({reasons}). At "
            "most "
            f"{most:.0%} may be: mend them, or raise `max_dropped`. The first: "
            f"{self._first_dropped}"
        )

    def _question(self, given: Mapping[str, Any], where: str) -> Question:
        row = dict(given)
        if OVERFLOW in row:
            raise rows.Unusable("with more cells than the header", row[OVERFLOW])
        for key, value in row.items():
            if value is NO_VALUE:
                row[key] = None
                if key in QUESTION_COLUMNS:
                    raise rows.Unusable(
                        "with a formula without a value", f"{where}: `{key}` is {NO_VALUE.text}."
                    )
        near = self._own_passages(row, where)
        if not self._documents and not any(key in given for key in self._contexts):
            raise StudyError(self._place.no_documents(self._path))
        page = fields.optional_text(row, "page", where) if self._names else ""
        if self._names is not None:
            row.pop("page", None)
        if fields.is_missing(row.get("id")) or row["id"] == "":
            row["id"] = self._id_of(row, where)
        if self._place.qrels and fields.is_missing(row.get("gold_doc_ids")):
            row["gold_doc_ids"] = self._relevant.get(str(row["id"]), [])
        if self._names is not None and not fields.is_missing(row.get("gold_doc_ids")):
            row["gold_doc_ids"] = self._resolved(row, page, where)
        question = rows.question_of(row, where, self._counts)
        if self._names is not None and len(question.gold_doc_ids) > 1:
            question = self._narrowed(question)
        if near and not question.gold_doc_ids:
            self._near[question.id] = near
        return question

    def _own_passages(self, row: dict[str, Any], where: str) -> list[str]:
        """The documents in the row itself, those that are said to be gold as its gold documents."""
        ids: dict[str, list[str]] = {}
        title = row.get("title")
        for key in self._contexts:
            if not fields.is_missing(value := row.pop(key, None)):
                default = title if isinstance(title, str) else ""
                ids[key] = self._passages.add(value, where, key, default)
        if "gold_contexts" in ids and fields.is_missing(row.get("gold_doc_ids")):
            row["gold_doc_ids"] = ids["gold_contexts"]
        return ids.get("contexts", [])

    def _id_of(self, row: Mapping[str, Any], where: str) -> str:
        """An id out of the wording: rows may be added and sorted without changing others."""
        texts = [fields.optional_text(row, key, where) for key in ("question", "scope", "group")]
        digest = hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:12]
        self._seen[digest] = self._seen.get(digest, 0) + 1
        answers = repr(row.get("answers")) + repr(row.get("gold_doc_ids"))
        again = f"{digest}|{hashlib.sha256(answers.encode('utf-8', 'replace')).hexdigest()}"
        if again in self._seen and texts[0]:
            raise rows.Unusable(REPEATED, f"{where}: this row stands there twice.")
        self._seen[again] = 1
        number = self._seen[digest]
        return f"q-{digest}" + (f"-{number}" if number > 1 else "")

    def _resolved(self, row: Mapping[str, Any], page: str, where: str) -> list[str]:
        found: dict[str, None] = {}
        given = rows.identifiers(row, "gold_doc_ids", where)
        for name in given:
            try:
                ids = self._names.find_all(name, page)
            except LookupError as error:
                raise rows.Unusable(
                    "whose document is not told apart, or has no such page",
                    f"{where}: {error.args[0]}. Write its name with its folder, or another page.",
                ) from None
            if not ids:
                near = self._names.nearest(name)
                hint = f" Did you mean '{near}'?" if near else ""
                raise rows.Unusable(
                    "whose document is not there",
                    f"{where}: gold_doc_ids names '{name}', which {self._place.corpus_name} does "
                    f"not have.{hint}",
                )
            found |= dict.fromkeys(ids)
        return list(found)

    def _narrowed(self, question: Question) -> Question:
        """Of files that are named as a whole, the parts that hold the answer."""
        parts = [self._documents[doc_id] for doc_id in question.gold_doc_ids]
        if len({part.extra.get("file", part.doc_id) for part in parts}) == len(parts):
            return question
        held = gold.holding(gold.searched(question), parts)
        if held:
            self._counts[WHOLE_FILES] += 1
        elif len(parts) > gold.MOST_PARTS:
            self._counts[TOO_LONG] += 1
        else:
            return question
        return dataclasses.replace(question, gold_doc_ids=tuple(held))

    def _with_gold(self, questions: list[Question]) -> list[Question]:
        if not self._options.find_gold:
            return questions
        found = gold.find(questions, self._documents, self._near, self._counts)
        return [
            dataclasses.replace(question, gold_doc_ids=found[question.id])
            if question.id in found
            else question
            for question in questions
        ]
