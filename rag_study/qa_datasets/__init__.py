"""Question-answering data sets, all brought into one schema and split without leakage.

One file per data set; `load` is the only way in, `load_prepared` reads what stage 01 wrote.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rag_study import files
from rag_study.errors import StudyError
from rag_study.qa_datasets import fictional, jsonl
from rag_study.qa_datasets.schema import POOLS, Document, QADataset, Question
from rag_study.qa_datasets.splits import Split, split, train_subset

__all__ = [
    "load",
    "load_corpus",
    "load_pools",
    "revision_of",
    "save_prepared",
    "split",
    "train_subset",
]


def load(name: str, path: str = "", num_worlds: int = 300) -> QADataset:
    """Load a data set by name. Raises StudyError, naming file and line, for bad data."""
    if name == "fictional":
        return fictional.load(num_worlds=num_worlds)
    if name == "jsonl":
        return jsonl.load(Path(path))
    raise StudyError(f"unknown data set '{name}'; known: fictional, jsonl")


def revision_of(name: str, path: str = "") -> str:
    """What identifies the data's content in run ids (a path or a date would not)."""
    return str(fictional.VERSION) if name == "fictional" else jsonl.fingerprint(Path(path))


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
    for key in ("answers", "key_points", "gold_doc_ids"):
        row[key] = tuple(row[key])
    return Question(**row)
