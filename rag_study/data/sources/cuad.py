"""CUAD: clauses of 510 commercial contracts, 41 questions each (Hendrycks et al. 2021).

The file `CUADv1.json` is in the form of SQuAD, with a whole contract as the paragraph. A contract
is cut into parts of up to 1,500 characters; the gold documents are the parts that hold a span.
`train_separate_questions.json` has one question per span; they are joined again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from rag_study.common.text import normalise
from rag_study.data.reading import fields
from rag_study.data.reading.parts import cut
from rag_study.data.reading.source_files import source_files
from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import NO_ANSWER, Document, QADataset, Question
from rag_study.data.sources.squad import files
from rag_study.data.sources.squad.files import Entry, Paragraph, Span

EXPECTED = "CUADv1.json, a folder or the .zip with it"
_CLAUSE = re.compile(r'related to "([^"]+)"')
_SPAN_NUMBER = re.compile(r"(?<=.)_\d+$")
_TITLE_CHARACTERS = 60


class CuadOptions(Options):
    """Choices of the data set `cuad`."""

    answerable_only: bool = Field(
        False,
        description="Leave out the questions for clauses that a contract does not have, which are "
        "about two thirds.",
    )


@dataclass
class _Contract:
    """`texts` is one in CUAD; files in its form may have a contract in several paragraphs."""

    title: str
    texts: list[str] = field(default_factory=list)
    parts: list[list[_Part]] = field(default_factory=list)

    def add(self, text: str) -> int:
        """The number of the text, which is cut into parts when it is new."""
        if text not in self.texts:
            number = sum(map(len, self.parts))
            self.texts.append(text)
            self.parts.append(
                [
                    _Part(f"{self.title}-{n}", start, end)
                    for n, (start, end) in enumerate(cut(text), start=number + 1)
                ]
            )
        return self.texts.index(text)

    def documents(self) -> Iterator[Document]:
        total = sum(map(len, self.parts))
        listed = (p for parts in zip(self.texts, self.parts, strict=True) for p in _texts(*parts))
        for number, (part, text) in enumerate(listed, start=1):
            title = f"{short_title(self.title)}, part {number} of {total}"
            yield Document(part.doc_id, title, text, scope=self.title)


@dataclass(frozen=True)
class _Part:
    doc_id: str
    start: int
    end: int


@dataclass
class _Clause:
    """A question with all of its spans, which some files spread over several entries."""

    file: str
    contract: _Contract
    text: int
    entry: Entry
    spans: list[Span]
    entry_ids: set[str]


def load(source: Source) -> QADataset:
    """Read CUAD. Raises StudyError, naming file and record, for bad data."""
    builder = _Builder(source.options.answerable_only)
    for file in source_files(source.path, "cuad", EXPECTED):
        for paragraph in files.paragraphs(file, "cuad"):
            builder.add(file.label, paragraph)
    return builder.result(str(source.path))


LOADER = Loader("cuad", load, expected=EXPECTED, own_scope=True, options=CuadOptions)


class _Builder:
    def __init__(self, answerable_only: bool):
        self.answerable_only = answerable_only
        self.contracts: dict[str, _Contract] = {}
        self.clauses: dict[tuple[str, int, str], _Clause] = {}
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def add(self, file: str, paragraph: Paragraph) -> None:
        self.read += len(paragraph.entries)
        if paragraph.context.strip():
            title = paragraph.title or "contract"
            contract = self.contracts.setdefault(title, _Contract(title))
            text = contract.add(paragraph.context)
        for entry in paragraph.entries:
            reason = entry.problem(paragraph.context, self.answerable_only)
            if reason := reason or self.keep(file, contract, text, entry):
                self.dropped[reason] += 1

    def keep(self, file: str, contract: _Contract, text: int, entry: Entry) -> str | None:
        """Keep a question, or join it with one; returns why it is not one of its own."""
        # "<title>__Parties_0" and "..._1" of the training file are spans of one question.
        question_id = _SPAN_NUMBER.sub("", entry.id) if "__" in entry.id else entry.id
        key = (contract.title, text, question_id)
        clause = self.clauses.get(key)
        if clause is None:
            self.clauses[key] = _Clause(file, contract, text, entry, [*entry.spans], {entry.id})
            return None
        if clause.file != file or entry.id in clause.entry_ids:
            return files.READ_BEFORE
        clause.entry_ids.add(entry.id)
        clause.spans += entry.spans
        return "further span of a question, joined with its first"

    def result(self, place: str) -> QADataset:
        fields.require_questions(place, len(self.clauses), self.read, self.dropped)
        questions: dict[str, Question] = {}
        for (_, _, base), clause in self.clauses.items():
            question_id = files.unique(base, questions, self.counts)
            questions[question_id] = self.question(question_id, clause)
        self.counts["contracts"] = len(self.contracts)
        return QADataset(
            tuple(questions.values()),
            tuple(d for contract in self.contracts.values() for d in contract.documents()),
            read=self.read,
            dropped=dict(self.dropped),
            counts=dict(+self.counts),
        )

    def question(self, question_id: str, clause: _Clause) -> Question:
        title = clause.contract.title
        named = _CLAUSE.search(clause.entry.question)
        text, parts = clause.contract.texts[clause.text], clause.contract.parts[clause.text]
        places, lost = self.places(clause.spans, text)
        return Question(
            id=question_id,
            question=clause.entry.question,
            # None where the contract has no such clause: no part of it says so.
            gold_doc_ids=tuple(
                part.doc_id
                for part in parts
                if any(part.start < end and part.end > start for start, end in places)
            ),
            group=title,
            scope=title,
            extra={"clause": named.group(1) if named else question_id.rpartition("__")[2]},
            **self.answer([text[start:end] for start, end in places] + lost),
        )

    def places(self, spans: list[Span], text: str) -> tuple[list[tuple[int, int]], list[str]]:
        """(start, end) of the spans in the order of the text, and those that are not in it.

        What was marked in pieces, with nothing but a line or page break between, is one again.
        """
        placed, lost = [], []
        for span in spans:
            start = files.find_span(span, text, self.counts, "contract")
            if start is None:
                lost.append(span.text)
            else:
                placed.append((start, start + len(span.text.rstrip())))
        joined: list[tuple[int, int]] = []
        for start, end in sorted(placed):
            if joined and not text[joined[-1][1] : start].strip():
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined, lost

    def answer(self, marked: list[str]) -> dict[str, Any]:
        """Short spans can be matched; sentences and paragraphs are for the judge alone."""
        if not marked:
            return {"answers": NO_ANSWER, "answer_type": "unanswerable"}
        # A party is marked wherever it is named.
        distinct: dict[str, str] = {}
        for text in marked:
            distinct.setdefault(normalise(text), " ".join(text.split()))
        spans = tuple(distinct.values())
        reference = "; ".join(spans)
        answers = (reference,) if fields.is_short(reference) else ()
        if not all(map(fields.is_short, spans)):
            self.counts[fields.LONG_ANSWERS] += 1
            return {"answers": (), "reference": reference, "answer_type": "summary"}
        if len(spans) == 1:
            return {"answers": answers, "answer_type": "factoid"}
        return {
            "answers": answers,
            "reference": reference,
            "answer_type": "list",
            "key_points": tuple((span,) for span in spans),
        }


def _texts(text: str, parts: list[_Part]) -> Iterator[tuple[_Part, str]]:
    for part in parts:
        yield part, text[part.start : part.end].strip()


def short_title(title: str) -> str:
    """Company and kind of contract of a title like "ACME_01_02_2003-EX-10.1-SUPPLY AGREEMENT"."""
    company, *_, kind = title.split("_") if "_" in title else (title, "")
    kind = re.sub(r"^.*\d-(?=\D)", "", kind).strip()
    return f"{company.strip()} {kind}".strip()[:_TITLE_CHARACTERS].strip()
