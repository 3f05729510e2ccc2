"""Qasper: questions about research papers (Dasigi et al. 2021, arXiv 2105.03011).

Reads the official JSON files (v0.1 to v0.3, also in their archives) and the hub's Parquet form.
The corpus is the papers' paragraphs; a question is about one paper, which is its scope and group.
What an annotator answered is told as the official evaluator tells it; answers.py says how
several annotators become one question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields, hub
from rag_study.data.reading.source_files import (
    SourceFile,
    read_json,
    records,
    source_files,
    wrong_format,
)
from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import Document, QADataset, Question
from rag_study.data.sources.qasper.answers import Annotation, annotation, decide

NAME = "qasper"
EXPECTED = (
    "Qasper's JSON (paper id -> title, abstract, full_text, qas), its .tgz archives, the hub's "
    "Parquet files, or a folder of these"
)
SPLITS = ("train", "validation", "test")
FLOAT_MARK = "FLOAT SELECTED"
# Titles are embedded with every passage, so they must leave its window to the text.
TITLE_WORDS = 12
# Below this, one text stands in another by accident.
MIN_CONTAINED = 30
_SUBSECTION = re.compile(r"\s*:::\s*")
_BACKGROUND = ("nlp_background", "topic_background", "paper_read", "search_query")


class QasperOptions(Options):
    """Choices for Qasper."""

    captions: bool = Field(
        False,
        description="captions of tables and figures as documents too, so that evidence there is "
        "a gold document (Qasper has the captions from v0.3 on, never the tables' content)",
    )
    splits: tuple[Literal["train", "validation", "test"], ...] = Field(
        SPLITS, min_length=1, description="splits read from the hub"
    )
    revision: str = Field(
        "refs/convert/parquet", description="revision on the hub; it must hold Parquet files"
    )


def load(source: Source) -> QADataset:
    """Read all papers. Raises StudyError, naming file and paper, for what is not Qasper."""
    collection = _Collection(source.options.captions)
    for where, paper_id, record in _papers(source):
        collection.add(where, paper_id, record)
    place = source.path or LOADER.hub
    if not collection.questions:
        reasons = ", ".join(f"{n} {reason}" for reason, n in collection.dropped.items())
        raise StudyError(f"{place}: there is no question to use ({reasons or 'it holds none'}).")
    return QADataset(
        tuple(collection.questions.values()),
        tuple(d for paper in collection.papers.values() for d in paper.documents),
        read=collection.read,
        dropped=dict(collection.dropped),
        counts=dict(collection.counts),
    )


LOADER = Loader(
    NAME, load, expected=EXPECTED, hub="allenai/qasper", own_scope=True, options=QasperOptions
)


def _papers(source: Source) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (where, paper id, paper)."""
    options = source.options
    if source.path is None:
        rows = hub.rows(LOADER.hub, None, options.splits, options.revision)
        yield from _identified(rows)
        return
    if options.splits != SPLITS:
        raise StudyError(
            f"{source.path}: `splits` chooses on the hub; with `path`, name the split's file."
        )
    # The names end in the version: of a paper in two files, the newer one is read first and used.
    for file in reversed(source_files(source.path, NAME, EXPECTED)):
        yield from _papers_of(file)


def _papers_of(file: SourceFile) -> Iterator[tuple[str, str, dict[str, Any]]]:
    content = read_json(file) if file.name.lower().endswith(".json") else []
    if isinstance(content, list):
        yield from _identified(records(file))
        return
    if not isinstance(content, dict) or not all(isinstance(p, dict) for p in content.values()):
        raise wrong_format(file.label, NAME, EXPECTED, content)
    for paper_id, record in content.items():
        where = f"{file.label}, paper {paper_id}"
        _check_is_paper(record, where)
        yield where, paper_id.strip(), record


def _identified(
    rows: Iterator[tuple[str, dict[str, Any]]],
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for where, row in rows:
        _check_is_paper(row, where)
        paper_id = fields.text(row, "id", where)
        yield f"{where} (paper {paper_id})", paper_id, row


def _check_is_paper(record: dict[str, Any], where: str) -> None:
    if not {"full_text", "qas"} <= record.keys():
        raise wrong_format(where, NAME, EXPECTED, record)


@dataclass
class _Paper:
    """The documents of a paper, and where a text stands in them."""

    id: str
    title: str
    documents: list[Document] = field(default_factory=list)
    by_text: dict[str, str] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)
    headings: set[str] = field(default_factory=set)

    def add(self, text: str, section: str, known: dict[str, str]) -> bool:
        """Add a document, except where the paper has the same text already."""
        key = _plain(text)
        if key in known:
            return False
        known[key] = f"{self.id}-{len(self.documents)}"
        levels = ": ".join(_SUBSECTION.split(section))
        title = " — ".join(_cut(part) for part in (self.title, levels) if part)
        extra = {"section": section}
        self.documents.append(Document(known[key], title, text, scope=self.id, extra=extra))
        return True

    def find(self, evidence: str, highlighted: tuple[str, ...]) -> list[str]:
        """The documents that an evidence text is from: one that is equal, else those within it
        or the one around it, else those around the sentences that were highlighted in it."""
        wanted = _plain(evidence)
        if wanted in self.by_text:
            return [self.by_text[wanted]]
        if len(wanted) < MIN_CONTAINED:
            return []
        within = [d for t, d in self.by_text.items() if len(t) >= MIN_CONTAINED and t in wanted]
        if place := within or self._around(wanted):
            return place
        sentences = [s for s in map(_plain, highlighted) if len(s) >= MIN_CONTAINED and s in wanted]
        return list(dict.fromkeys(d for s in sentences for d in self._around(s)))

    def find_caption(self, evidence: str) -> list[str]:
        """The caption that a table or figure is named by, where captions are documents."""
        caption = _plain(evidence.partition(FLOAT_MARK)[2].lstrip(": "))
        return [self.captions[caption]] if caption in self.captions else []

    def _around(self, wanted: str) -> list[str]:
        return next(([d] for text, d in self.by_text.items() if wanted in text), [])


class _Collection:
    """Everything read so far."""

    def __init__(self, captions: bool):
        self.papers: dict[str, _Paper] = {}
        self.questions: dict[str, Question] = {}
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._captions = captions

    def add(self, where: str, paper_id: str, record: dict[str, Any]) -> None:
        if paper_id in self.papers:
            # Versions differ in a few paragraphs; two of each would compete in retrieval.
            self.counts["papers read before (the first reading is used)"] += 1
        else:
            self.counts["papers"] += 1
            self.papers[paper_id] = self._paper(where, paper_id, record)
        for number, row in enumerate(_rows(record, "qas", where), start=1):
            self.read += 1
            self._add_question(self.papers[paper_id], row, f"{where}, question {number}")

    def _paper(self, where: str, paper_id: str, record: dict[str, Any]) -> _Paper:
        paper = _Paper(paper_id, fields.optional_text(record, "title", where) or paper_id)
        sections = [("Abstract", [record.get("abstract")])]
        for row in _rows(record, "full_text", where):
            name = fields.optional_text(row, "section_name", where)
            sections.append((name, fields.optional_items(row, "paragraphs", where)))
        for name, paragraphs in sections:
            paper.headings |= {_plain(heading) for heading in (name, *_SUBSECTION.split(name))}
            for value in paragraphs:
                text = fields.optional_text({"paragraphs": value}, "paragraphs", where)
                if not text:
                    self.counts["paragraphs without text"] += 1
                elif not paper.add(text, name, paper.by_text):
                    self.counts["paragraphs repeated in their paper"] += 1
        if self._captions:
            self._add_captions(paper, where, record)
        return paper

    def _add_captions(self, paper: _Paper, where: str, record: dict[str, Any]) -> None:
        if record.get("figures_and_tables") is None:
            self.counts["papers without captions"] += 1
            return
        for row in _rows(record, "figures_and_tables", where):
            caption = fields.optional_text(row, "caption", where)
            if caption and paper.add(caption, "Table or figure", paper.captions):
                self.counts["captions as documents"] += 1

    def _add_question(self, paper: _Paper, row: dict[str, Any], where: str) -> None:
        question_id = fields.text(row, "question_id", where)
        wording = fields.text(row, "question", where)
        if question_id in self.questions:
            same = self.questions[question_id].scope == paper.id
            reason = "same question read before" if same else "id of another paper's question"
            self.dropped[reason] += 1
            return
        annotations = self._annotations(row, where)
        if not annotations or not paper.documents:
            reason = "no answer in the source" if not annotations else "paper without text"
            self.dropped[reason] += 1
            return
        decision = decide(annotations)
        evidence = tuple(dict.fromkeys(e for a in decision.counted for e in a.evidence))
        gold = self._gold(paper, decision.counted)
        if not gold and decision.answer_type != "unanswerable":
            self.counts["answerable questions without a gold document"] += 1
        if decision.agreement == "disagree":
            self.counts["questions on which annotators disagree"] += 1
        background = {key: fields.optional_text(row, key, where) for key in _BACKGROUND}
        self.questions[question_id] = Question(
            question_id,
            wording,
            decision.answers,
            decision.answer_type,
            decision.reference,
            key_points=decision.key_points,
            gold_doc_ids=gold,
            group=paper.id,
            scope=paper.id,
            extra={
                "answer_kind": decision.kind,
                "agreement": decision.agreement,
                "annotators": [{"kind": a.kind, "answer": a.text} for a in annotations],
                "evidence_in": _evidence_in(evidence),
                **{key: value for key, value in background.items() if value},
            },
        )

    def _annotations(self, row: dict[str, Any], where: str) -> list[Annotation]:
        annotations = []
        for number, answer in enumerate(_rows(row, "answers", where), start=1):
            read = annotation(answer, f"{where}, answer {number}")
            if read is None:
                self.counts["annotations without an answer"] += 1
            else:
                annotations.append(read)
        return annotations

    def _gold(self, paper: _Paper, annotations: tuple[Annotation, ...]) -> tuple[str, ...]:
        """The documents of the evidence, the reference's first; each evidence is counted."""
        gold: dict[str, None] = {}
        for answered in annotations:
            for evidence in answered.evidence:
                self.counts["evidence passages of the answers used"] += 1
                if FLOAT_MARK in evidence:
                    self.counts["evidence in a table or figure"] += 1
                    places = paper.find_caption(evidence)
                    if places:
                        self.counts["evidence found by its caption"] += 1
                else:
                    places = paper.find(evidence, answered.highlighted)
                    if not places:
                        heading = _plain(evidence) in paper.headings
                        where = "is a heading" if heading else "was not found in the paper"
                        self.counts[f"evidence that {where}"] += 1
                gold |= dict.fromkeys(places)
        return tuple(gold)


def _evidence_in(evidence: tuple[str, ...]) -> str:
    floats = sum(FLOAT_MARK in text for text in evidence)
    if not evidence:
        return "nothing"
    if not floats:
        return "text"
    return "tables or figures" if floats == len(evidence) else "both"


def _rows(record: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """A list of objects; the hub has it as an object of lists. Missing or null: empty."""
    value = record.get(key)
    if isinstance(value, dict):
        columns = {name: fields.optional_items(value, name, f"{where}, {key}") for name in value}
        lengths = {len(column) for column in columns.values()} - {0}
        if len(lengths) > 1:
            raise StudyError(f"{where}: the columns of `{key}` differ in length.")
        filled = {name: column for name, column in columns.items() if column}
        return [dict(zip(filled, row, strict=True)) for row in zip(*filled.values(), strict=True)]
    listed = fields.optional_items(record, key, where)
    return [fields.mapping(item, f"{where}, {key}") for item in listed]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    words = text.split()
    return " ".join(words[:TITLE_WORDS]) + (" …" if len(words) > TITLE_WORDS else "")
