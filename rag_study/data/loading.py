"""Question-answering data sets, all brought into one schema and split without leakage.

One file per data set; `load` is the only way in, `load_pools` and `load_corpus` read what stage
01 wrote.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.data import copies, registry
from rag_study.data.reading import rows
from rag_study.data.registry import Source
from rag_study.data.schema import POOLS, Document, QADataset, Question
from rag_study.data.splits import Split, leakage, split, train_subset

__all__ = [
    "leakage",
    "load",
    "load_corpus",
    "load_pools",
    "revision_of",
    "save_prepared",
    "split",
    "train_subset",
]


def load(
    name: str, path: str = "", corpus_path: str = "", options: dict[str, Any] | None = None
) -> QADataset:
    """Load a data set by name. Raises StudyError, naming file and record, for bad data.

    Whatever a loader returns is checked as strictly as the rows of own files.
    """
    loader = registry.find(name)
    source = source_of(name, path, corpus_path, options)
    chosen = json.dumps(options or {}, sort_keys=True, default=str)
    return _loaded_once(name, path, corpus_path, chosen, loader.revision(source))


@lru_cache(maxsize=1)  # planning asks for the same data several times
def _loaded_once(name: str, path: str, corpus_path: str, chosen: str, revision: str) -> QADataset:
    source = source_of(name, path, corpus_path, json.loads(chosen))
    return _loaded(registry.find(name), source, name)


def _loaded(loader: registry.Loader, source: Source, name: str) -> QADataset:
    try:
        dataset = loader.load(source)
    except StudyError:
        raise
    except Exception as error:
        raise StudyError(
            f"the data set '{name}' cannot be loaded: its loader says {type(error).__name__}: "
            f"{error}"
        ) from error
    return _checked(dataset, name)


def _checked(dataset: Any, name: str) -> QADataset:
    """The data set with every question and document checked, in the form of the schema."""
    if not isinstance(dataset, QADataset):
        raise StudyError(
            f"the loader of '{name}' must return a QADataset, this is a {type(dataset).__name__}."
        )
    found: Counter[str] = Counter()
    documents: dict[str, Document] = {}
    for where, row, document in _rows(name, "document", dataset.documents, Document):
        checked = rows.document_of(row, where, found)
        # A million documents are not kept twice.
        rows.add_document(documents, document if document == checked else checked, where)
    asked = _rows(name, "question", dataset.questions, Question)
    questions = rows.questions_of(
        ((where, row) for where, row, _ in asked), documents, "its corpus", found
    )
    for what, things in (("questions", questions), ("documents", documents)):
        if not things:
            raise StudyError(f"the data set '{name}' has no {what}.")
    counts = dict(dataset.counts)
    for reason, number in (+found).items():  # own files are counted where they are read
        counts[reason] = max(number, counts.get(reason, 0))
    marked, renamed = copies.mark([*documents.values()], [*questions.values()])
    if number := sum(document.copy_of is not None for document in marked):
        counts[copies.COPIES] = number
    return dataclasses.replace(
        dataset, questions=tuple(renamed), documents=tuple(marked), counts=counts
    )


def _rows(
    name: str, noun: str, things: Iterable[Any], form: type
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Where each is, what it says, and itself."""
    keys = [field.name for field in dataclasses.fields(form) if field.name != "copy_of"]
    for number, thing in enumerate(things, start=1):
        where = f"data set '{name}', {noun} {number}"
        if not isinstance(thing, form):
            raise StudyError(
                f"{where}: must be a {form.__name__}, this is a {type(thing).__name__}."
            )
        named = getattr(thing, "id", None) or getattr(thing, "doc_id", None)
        where = f"{where} ('{named}')" if named else where
        yield where, {key: getattr(thing, key) for key in keys}, thing


def revision_of(
    name: str, path: str = "", corpus_path: str = "", options: dict[str, Any] | None = None
) -> str:
    """What identifies the data's content in run ids (a path or a date would not)."""
    return registry.find(name).revision(source_of(name, path, corpus_path, options))


def source_of(
    name: str, path: str, corpus_path: str, options: dict[str, Any] | None
) -> registry.Source:
    """Where a data set is read, with its options checked. Raises StudyError for what cannot be."""
    loader = registry.find(name)
    if not path and loader.expected and not loader.hub:
        raise StudyError(f"data set `{name}` needs `path:`, {loader.expected}")
    if path and not loader.expected:
        raise StudyError(f"data set `{name}` is generated and takes no `path:`")
    if corpus_path and not loader.takes_corpus:
        raise StudyError(f"data set `{name}` takes no `corpus:`")
    try:
        checked = loader.options.model_validate(options or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        allowed = ", ".join(loader.options.model_fields) or "none"
        raise StudyError(
            f"data set `{name}`, option '{key}': {first['msg']} (options: {allowed})"
        ) from None
    return Source(
        located(path) if path else None, located(corpus_path) if corpus_path else None, checked
    )


def save_prepared(folder: Path, dataset: QADataset, split: Split) -> None:
    """Write `corpus.jsonl` and one `<pool>.jsonl` per pool, questions in their fixed order."""
    for pool, questions in split.pools.items():
        files.write_jsonl(folder / f"{pool}.jsonl", map(dataclasses.asdict, questions))
    files.write_jsonl(folder / "corpus.jsonl", map(dataclasses.asdict, dataset.documents))


def load_pools(folder: Path) -> dict[str, list[Question]]:
    """Questions by pool (train, validation, test) in their fixed order, as stage 01 wrote them."""
    return {
        pool: [_question(row) for row in files.read_jsonl(folder / f"{pool}.jsonl")]
        for pool in POOLS
    }


def load_corpus(folder: Path) -> list[Document]:
    """The documents that stage 01 wrote."""
    return [Document(**row) for row in files.read_jsonl(folder / "corpus.jsonl")]


def _question(row: dict) -> Question:
    for key in ("answers", "gold_doc_ids"):
        row[key] = tuple(row[key])
    row["key_points"] = tuple(map(tuple, row["key_points"]))
    return Question(**row)
