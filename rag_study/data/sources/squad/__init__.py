"""SQuAD 1.1 and 2.0, and everything that is written in their form.

Two forms are read: the original JSON (articles with paragraphs with questions, which annotation
tools export as well) and rows, one question each, as on the hub. A document is a paragraph; the
group is the article. Several answers of one question are alternatives, the most frequent first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from pydantic import Field

from rag_study.data.reading import fields, hub
from rag_study.data.reading.source_files import source_files
from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import NO_ANSWER, Document, QADataset, Question
from rag_study.data.sources.squad import files
from rag_study.data.sources.squad.files import EXPECTED, Entry, Paragraph

HUB = "rajpurkar/squad_v2"
# SQuAD's longest have about 4,000 characters; whole documents are searched less precisely.
LONG_PARAGRAPH = 5000


class SquadOptions(Options):
    """Choices of the data set `squad`."""

    answerable_only: bool = Field(
        False, description="Leave out the questions that their paragraph does not answer."
    )
    repository: str = Field(
        HUB, description="Hub id, read without `path`; `rajpurkar/squad` is version 1.1."
    )
    config: str = Field("", description="Configuration on the hub, where there are several.")
    splits: tuple[str, ...] = Field(
        ("train", "validation"),
        min_length=1,
        description="Splits on the hub. The validation split alone has 35 articles, and articles "
        "are what training and test must not share; with train there are 477.",
    )
    revision: str = Field("main", description="Revision on the hub.")


def load(source: Source) -> QADataset:
    """Read SQuAD from files or the hub. Raises StudyError, naming file and record, for bad data."""
    builder = _Builder(source.options.answerable_only)
    for paragraph in _paragraphs(source):
        builder.add(paragraph)
    return builder.result(str(source.path or source.options.repository))


LOADER = Loader("squad", load, expected=EXPECTED, hub=HUB, options=SquadOptions)


def _paragraphs(source: Source) -> Iterator[Paragraph]:
    if source.path is None:
        chosen = source.options
        rows = hub.rows(chosen.repository, chosen.config or None, chosen.splits, chosen.revision)
        yield from files.from_rows(rows, "squad")
        return
    for file in source_files(source.path, "squad", EXPECTED):
        yield from files.paragraphs(file, "squad")


class _Builder:
    def __init__(self, answerable_only: bool):
        self.answerable_only = answerable_only
        self.questions: dict[str, Question] = {}
        self.documents: dict[tuple[str, str], Document] = {}
        self.seen: set[tuple[str, str, str]] = set()
        self.numbers: Counter[str] = Counter()
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def add(self, paragraph: Paragraph) -> None:
        # SQuAD takes its titles from addresses: Super_Bowl_50, Beyonc%C3%A9.
        title = unquote(paragraph.title).replace("_", " ").strip()
        self.read += len(paragraph.entries)
        if not paragraph.context.strip():
            self.counts["paragraphs without text and without a question"] += not paragraph.entries
        else:
            self.counts["paragraphs without a question"] += not paragraph.entries
            document = self.document(title, paragraph.context.strip())
        for entry in paragraph.entries:
            reason = entry.problem(paragraph.context, self.answerable_only)
            if reason is None and (entry.id, entry.question, document.doc_id) in self.seen:
                reason = files.READ_BEFORE
            if reason:
                self.dropped[reason] += 1
                continue
            self.seen.add((entry.id, entry.question, document.doc_id))
            question_id = files.unique(entry.id, self.questions, self.counts)
            self.questions[question_id] = Question(
                id=question_id,
                question=entry.question,
                # Also where it has no answer, the paragraph is what a search should find: it is
                # what the question was asked about, and what shows that it does not say it.
                gold_doc_ids=(document.doc_id,),
                group=title or None,
                **self.answer(entry, paragraph.context),
            )

    def document(self, title: str, text: str) -> Document:
        if (title, text) not in self.documents:
            self.counts[f"paragraphs of more than {LONG_PARAGRAPH:,} characters"] += (
                len(text) > LONG_PARAGRAPH
            )
            name = title or "paragraph"
            self.numbers[name] += 1
            self.documents[title, text] = Document(f"{name}-{self.numbers[name]}", title, text)
        return self.documents[title, text]

    def answer(self, entry: Entry, context: str) -> dict[str, Any]:
        if entry.unanswerable:
            extra = {"plausible_answers": list(entry.plausible)} if entry.plausible else {}
            return {"answers": NO_ANSWER, "answer_type": "unanswerable", "extra": extra}
        for span in entry.spans:
            files.find_span(span, context, self.counts, "paragraph")
        texts = [
            text for text, _ in Counter(span.text.strip() for span in entry.spans).most_common()
        ]
        short = tuple(text for text in texts if fields.is_short(text))
        if not short:
            self.counts[fields.LONG_ANSWERS] += 1
        return {
            "answers": short,
            "reference": (short or texts)[0],
            "answer_type": "factoid" if short else "summary",
        }

    def result(self, place: str) -> QADataset:
        fields.require_questions(place, len(self.questions), self.read, self.dropped)
        return QADataset(
            tuple(self.questions.values()),
            tuple(self.documents.values()),
            read=self.read,
            dropped=dict(self.dropped),
            counts=dict(+self.counts),
        )
