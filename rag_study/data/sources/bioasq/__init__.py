"""BioASQ Task B: biomedical questions by experts (Krithara et al. 2023, "BioASQ-QA").

Reads the training and golden JSON files, any number of them, and rag-mini-bioasq (an edition for
RAG on the hub). The expert's ideal answer is the reference; the exact answers are the short answers
and the key points. The corpus are the snippets, one document per PubMed id, or the full abstracts
where `corpus:` has them.

A question that several files have, with the same id or the same wording, is used once: in the
version with most exact answers, then most ideal answers, then of the later file (golden files are
enriched after the challenge, and training files are corrected from year to year). The documents of
all its versions are gold, as in the organisers' own merging of identical questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields, hub
from rag_study.data.reading.source_files import wrong_format
from rag_study.data.registry import Loader, Options, Source
from rag_study.data.schema import QADataset, Question
from rag_study.data.sources.bioasq.corpus import Corpus
from rag_study.data.sources.bioasq.entries import (
    Entry,
    from_mini_question,
    from_question,
    is_mini_question,
    is_question,
)
from rag_study.data.sources.bioasq.files import NAME, QUESTIONS, files_read, question_records

SPLITS = ("train", "test")
UNKNOWN_TYPE = "question type is none of yesno, factoid, list, summary"
NO_ANSWER_GIVEN = "no usable answer in the source"
SAME_QUESTION = "the same question stands elsewhere in the files"
SAME_ID = "another wording of a question with the same id"
# Share of common words from which two wordings with one id are one question, revised.
_REVISED = 0.5


class BioasqOptions(Options):
    """Choices for BioASQ."""

    splits: tuple[Literal["train", "test"], ...] = Field(
        SPLITS, min_length=1, description="splits read from the hub"
    )
    revision: str = Field("main", description="revision on the hub")


def load(source: Source) -> QADataset:
    """Read questions and corpus. Raises StudyError, naming file and record, for bad data."""
    collection = _Collection()
    for name, where, row in _records(source):
        collection.add(name, where, row)
    if source.corpus:
        collection.corpus.add_file(source.corpus)
    return collection.result(str(source.path or LOADER.hub))


LOADER = Loader(
    NAME,
    load,
    expected=QUESTIONS,
    hub="enelpol/rag-mini-bioasq",
    takes_corpus=True,
    files=files_read,
    options=BioasqOptions,
)


def _records(source: Source) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (file or split, where, record)."""
    options = source.options
    if source.path is not None:
        if options.splits != SPLITS:
            raise StudyError(
                f"{source.path}: `splits` chooses on the hub; with `path`, name the split's file."
            )
        yield from question_records(source.path, source.corpus)
        return
    # The text corpus has a single split, whose name is "test".
    for config, splits in (
        ("text-corpus", ("test",)),
        ("question-answer-passages", options.splits),
    ):
        for split in splits:
            for where, row in hub.rows(LOADER.hub, config, (split,), options.revision):
                yield split, where, row


class _Collection:
    """Questions with all their versions, the corpus, and what became of every record."""

    def __init__(self) -> None:
        self.corpus = Corpus()
        self.read = 0
        self.dropped: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.versions: list[list[Entry]] = []
        self._by_wording: dict[str, list[Entry]] = {}
        self._by_id: dict[str, list[Entry]] = {}

    def add(self, name: str, where: str, row: dict[str, Any]) -> None:
        if is_question(row):
            entry = from_question(row, where, name, self.corpus.add_snippet)
        elif is_mini_question(row):
            entry = from_mini_question(row, where, name)
        elif "passage" in row:
            self.corpus.add_abstract(row, where)
            return
        else:
            raise wrong_format(where, NAME, QUESTIONS, row)
        self.read += 1
        if not entry.ideal and not entry.exact:
            self.dropped[NO_ANSWER_GIVEN] += 1
        elif not entry.answer_type:
            self.dropped[UNKNOWN_TYPE] += 1
        else:
            self._file(entry)

    def _file(self, entry: Entry) -> None:
        """Put the entry to the versions of its question, or make it a question."""
        versions = self._by_wording.get(entry.wording)
        if versions:
            self.dropped[SAME_QUESTION] += 1
        else:
            versions = self._by_id.get(entry.id)
            if versions and _is_revision(versions[0].wording, entry.wording):
                self.dropped[SAME_ID] += 1
            else:
                versions = []
                self.versions.append(versions)
        versions.append(entry)
        self._by_wording[entry.wording] = versions
        self._by_id.setdefault(entry.id, versions)

    def result(self, place: str) -> QADataset:
        documents = self.corpus.documents()
        if not self.versions:
            reasons = ", ".join(f"{n}: {reason}" for reason, n in self.dropped.items())
            raise StudyError(
                f"{place}: there is no question to use ({reasons or 'it holds none'})."
            )
        if not documents:
            raise StudyError(
                f"{place}: there is no text to search, neither snippets nor passages. Name a file "
                "with abstracts as `corpus:`."
            )
        questions: dict[str, Question] = {}
        for versions in self.versions:
            question = self._question(versions, questions)
            questions[question.id] = question
        named = {
            doc_id for versions in self.versions for entry in versions for doc_id in entry.named
        }
        if without := len(named - documents.keys()):
            self.counts["documents that questions name and nothing has a text of"] = without
        return QADataset(
            tuple(questions.values()),
            tuple(documents.values()),
            read=self.read,
            dropped=dict(self.dropped),
            counts=dict(self.counts + self.corpus.counts),
        )

    def _question(self, versions: list[Entry], others: dict[str, Question]) -> Question:
        entry = max(reversed(versions), key=lambda version: version.richness)
        answers, exact = self._answers(entry)
        if not entry.ideal:
            self.counts[
                "questions without an ideal answer (the exact answer is the reference)"
            ] += 1
        # A document that is named without a snippet is only gold when its full abstract is there:
        # what another question has cited of it need not answer this one.
        evidence = [doc_id for version in versions for doc_id in version.evidence]
        named = [
            doc_id
            for version in versions
            for doc_id in version.named
            if doc_id in self.corpus.abstracts
        ]
        gold = tuple(dict.fromkeys([*evidence, *named]))
        if not gold:
            self.counts["questions without a gold document"] += 1
        return Question(
            id=self._unique_id(entry.id, others),
            question=entry.question,
            answers=answers,
            answer_type=entry.answer_type,
            reference=entry.ideal[0] if entry.ideal else exact,
            key_points=() if entry.answer_type == "summary" else entry.exact,
            gold_doc_ids=gold,
            rewording=entry.ideal[1] if len(entry.ideal) > 1 else None,
            extra={"source": entry.source, "further_ideal_answers": list(entry.ideal[1:])},
        )

    def _answers(self, entry: Entry) -> tuple[tuple[str, ...], str]:
        """(short answers, the exact answer as one text)."""
        if not entry.exact:
            if entry.unclear:
                self.counts["yes/no questions whose exact answer is neither"] += 1
            elif entry.answer_type != "summary":
                self.counts["questions without an exact answer (but for summaries)"] += 1
            return (), ""
        if len(entry.exact) == 1:
            possible = entry.exact[0]
        else:
            names = [wordings[0] for wordings in entry.exact]
            joined = ", ".join(names)
            possible = (f"{', '.join(names[:-1])} and {names[-1]}", joined)
        if entry.answer_type == "summary":
            return (), possible[0]
        answers = tuple(filter(fields.is_short, possible))
        if not answers:
            self.counts[fields.LONG_ANSWERS] += 1
        return answers, (answers or possible)[0]

    def _unique_id(self, wanted: str, others: dict[str, Question]) -> str:
        """The id, with a number when a question with another wording has it."""
        if wanted not in others:
            return wanted
        self.counts["questions with the id of another question (made unique)"] += 1
        number = 2
        while f"{wanted}-{number}" in others:
            number += 1
        return f"{wanted}-{number}"


def _is_revision(one: str, other: str) -> bool:
    words, others = set(one.split()), set(other.split())
    return len(words & others) >= _REVISED * len(words | others)
