"""TAT-QA: questions about a table and the text around it in financial reports (Zhu et al. 2021).

Documents are the paragraphs of a report and its table, as passages of text; a report is named by
its table's id. Many answers are calculated, and their scale ("million") is given beside them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import records, source_files, wrong_format
from rag_study.data.registry import Loader, Source
from rag_study.data.schema import Document, QADataset, Question
from rag_study.data.sources.tatqa import table_text
from rag_study.data.sources.tatqa.answers import answer, numbers

EXPECTED = "tatqa_dataset_train.json, _dev.json, _test_gold.json, or a folder with them"
_KEPT = ("answer_type", "answer_from", "scale", "derivation")


def load(source: Source) -> QADataset:
    """Read TAT-QA. Raises StudyError, naming file and record, for bad data."""
    builder = _Builder()
    for file in source_files(source.path, "tatqa", EXPECTED):
        for where, row in records(file):
            if not {"table", "paragraphs", "questions"} <= row.keys():
                raise wrong_format(where, "tatqa", EXPECTED, row)
            builder.add(_Report(row, where), fields.items(row, "questions", where))
    return builder.result(str(source.path))


LOADER = Loader("tatqa", load, expected=EXPECTED, own_scope=True)


class _Report:
    """The documents of one record, and which of them a question is about."""

    def __init__(self, row: dict[str, Any], where: str):
        table = fields.mapping(row["table"], f"{where}, table")
        self.where = where
        self.uid = fields.text(table, "uid", f"{where}, table")
        self.cells = fields.items(table, "table", f"{where}, table")
        if not all(isinstance(line, list) for line in self.cells):
            raise StudyError(f"{where}, table: `table` must be a list of rows, each a list.")
        self.passages = table_text.passages(self.cells)
        self.paragraphs: dict[str, str] = {}
        for number, value in enumerate(fields.items(row, "paragraphs", where), start=1):
            place = f"{where}, paragraph {number}"
            paragraph = fields.mapping(value, place)
            order = fields.text(paragraph, "order", place)
            if order in self.paragraphs:
                raise StudyError(f"{place}: `order` {order} stands there twice.")
            self.paragraphs[order] = fields.optional_text(paragraph, "text", place)

    def documents(self) -> Iterator[Document]:
        total = len(self.passages)
        for number, passage in enumerate(self.passages, start=1):
            title = f"Table, part {number} of {total}" if total > 1 else "Table"
            yield Document(self.table_id(number), title, passage.text, scope=self.uid)
        for order, text in self.paragraphs.items():
            if text:
                yield Document(f"{self.uid}-p{order}", f"Paragraph {order}", text, scope=self.uid)

    def table_id(self, number: int) -> str:
        return f"{self.uid}-t{number}"

    def gold(self, qa: dict[str, Any], where: str, counts: Counter[str]) -> tuple[str, ...]:
        evidence = fields.optional_text(qa, "answer_from", where)
        orders = fields.texts(qa, "rel_paragraphs", where) if evidence != "table" else ()
        doc_ids = []
        if "table" in evidence:
            doc_ids += [self.table_id(n) for n in self.table_parts(qa, where, counts)]
        for order in orders:
            if self.paragraphs.get(order):
                doc_ids.append(f"{self.uid}-p{order}")
            else:
                counts["evidence that is not in its report"] += 1
        return tuple(dict.fromkeys(doc_ids))

    def table_parts(self, qa: dict[str, Any], where: str, counts: Counter[str]) -> list[int]:
        """The passages of the table (from 1) that hold the rows of an answer.

        The source does not say which rows these are. They are found by the numbers of the
        derivation, else by the answer; of several rows with the same value, those count of
        whose label the question has most. All passages where nothing is found.
        """
        everything = list(range(1, len(self.passages) + 1))
        if len(everything) < 2:
            return everything
        derivation = fields.optional_text(qa, "derivation", where)
        words = set(re.findall(r"\w+", fields.optional_text(qa, "question", where).lower()))
        rows: set[int] = set()
        for needle in _needles(derivation, qa.get("answer")):
            holding = [n for n, row in enumerate(self.cells) if needle in _keys(row)]
            named = {n: _share(self.cells[n], words) for n in holding}
            rows |= {n for n in holding if named[n] == max(named.values())}
        parts = [n for n in everything if rows & set(self.passages[n - 1].rows)]
        if not parts:
            counts["questions whose rows of a long table are not known (all of it is gold)"] += 1
        return parts or everything


class _Builder:
    def __init__(self) -> None:
        self.questions: dict[str, Question] = {}
        self.documents: dict[str, Document] = {}
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def add(self, report: _Report, questions: list[Any]) -> None:
        before = len(self.questions)
        for number, value in enumerate(questions, start=1):
            where = f"{report.where}, question {number}"
            reason = self.keep(report, fields.mapping(value, where), where)
            self.read += 1
            if reason:
                self.dropped[reason] += 1
        if len(self.questions) > before:
            self.documents |= {d.doc_id: d for d in report.documents()}
        else:
            self.counts["reports without a question to use (left out)"] += 1

    def keep(self, report: _Report, qa: dict[str, Any], where: str) -> str | None:
        """Add the question, or return why not."""
        question_id = fields.text(qa, "uid", where)
        text = fields.optional_text(qa, "question", where)
        if not text:
            return "question without text"
        right = answer(qa, where)
        if right is None:
            return "no answer in the source"
        if question_id in self.questions:
            return "same question read before"
        self.counts[fields.LONG_ANSWERS] += right["answer_type"] == "summary"
        self.questions[question_id] = Question(
            id=question_id,
            question=text,
            gold_doc_ids=report.gold(qa, where, self.counts),
            group=report.uid,
            scope=report.uid,
            extra={
                f"tatqa_{key}": kept
                for key in _KEPT
                if (kept := fields.optional_text(qa, key, where))
            },
            **right,
        )
        return None

    def result(self, place: str) -> QADataset:
        fields.require_questions(place, len(self.questions), self.read, self.dropped)
        self.counts["questions without known evidence"] = sum(
            not question.gold_doc_ids for question in self.questions.values()
        )
        return QADataset(
            tuple(self.questions.values()),
            tuple(self.documents.values()),
            read=self.read,
            dropped=dict(self.dropped),
            counts=dict(+self.counts),
        )


def _needles(derivation: str, answer: Any) -> set[str]:
    """What to look for in the cells: numbers of the derivation or its items, else the answer."""
    needles = numbers(derivation)
    needles |= {item.strip().lower() for item in derivation.split("##") if "##" in derivation}
    if not needles:
        texts = answer if isinstance(answer, list) else [answer]
        needles = {key for text in texts for key in _keys([text])}
    return needles - {""}


def _keys(row: list[Any]) -> set[str]:
    """What a row can be found by: its texts, and the numbers that are a cell of their own."""
    texts = {" ".join(str(cell).split()).lower() for cell in row if cell is not None}
    return texts | {n for text in texts if len(values := numbers(text)) == 1 for n in values}


def _share(row: list[Any], wanted: set[str]) -> float:
    """The share of the words of a row's label that a question has."""
    words = set(re.findall(r"\w+", str(row[0]).lower()))
    return len(words & wanted) / len(words) if words else 0.0
