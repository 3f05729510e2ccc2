"""Your own data: a folder with `questions.jsonl` and `corpus.jsonl`.

Questions need `id`, `question`, `answers`; documents need `doc_id`, `text`. Further columns of the
schema are used where they are given, and all other columns are carried along. Where a column has
the name that another data set has for it, the message says what to rename: a file is never read by
guessing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.wording import listed
from rag_study.data.reading import fields, rows
from rag_study.data.reading.source_files import PLAIN, SourceFile, records
from rag_study.data.registry import Loader, Source
from rag_study.data.schema import QADataset

FILES = ("questions.jsonl", "corpus.jsonl")
# What the columns are called elsewhere (BEIR, HotpotQA, MS MARCO, NQ, PubMedQA, Ragas, TriviaQA).
_QUESTION_NAMES = {
    "id": "_id qid query_id question_id QuestionId example_id pubid uid key".split(),
    "question": "query user_input question_text Question QUESTION input prompt text".split(),
    "answers": (
        "answer Answer ground_truth ground_truths golden_answers reference_answer "
        "reference_answers short_answers final_decision expected_output expected_answer target"
    ).split(),
}
_DOCUMENT_NAMES = {
    "doc_id": "_id id docid document_id passage_id pid".split(),
    "text": "contents content body passage page_content context abstract document".split(),
}
_TABLES = {
    ".csv": 'read_csv("{}", dtype=str, keep_default_na=False)',
    ".tsv": 'read_csv("{}", sep="\\t", dtype=str, keep_default_na=False)',
    ".xlsx": 'read_excel("{}", dtype=str, keep_default_na=False)',
}
_SHOWN = 8


def load(source: Source) -> QADataset:
    """Read both files. Raises StudyError with file and line for the first thing that is wrong."""
    questions_file, corpus_file = _files(source)
    counts: Counter[str] = Counter()
    documents = rows.corpus_of(_named(corpus_file, _DOCUMENT_NAMES), counts)
    if not documents:
        raise StudyError(f"{corpus_file.label}: the file holds no documents.")
    asked = _named(questions_file, _QUESTION_NAMES)
    questions = rows.questions_of(asked, documents, corpus_file.name, counts)
    if not questions:
        raise StudyError(f"{questions_file.label}: the file holds no questions.")
    return QADataset(tuple(questions.values()), tuple(documents.values()), counts=dict(+counts))


LOADER = Loader(
    "jsonl",
    load,
    expected="a folder with questions.jsonl and corpus.jsonl",
    instant=True,
    files=lambda source: [(file.path.name, file.path) for file in _files(source)],
    version=3,
)


def _named(
    file: SourceFile, names: Mapping[str, list[str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file. Raises StudyError where a needed column has another name."""
    for where, row in records(file):
        found = {
            key: next((name for name in others if not fields.is_missing(row.get(name))), None)
            for key, others in names.items()
            if fields.is_missing(row.get(key))
        }
        # A reference alone is enough, but not beside answers that would not be read.
        if renamed := [f"`{name}` to `{key}`" for key, name in found.items() if name]:
            absent = [f"`{key}`" for key in found if key != "answers" or found[key]]
            raise StudyError(
                f"{where}: {listed(absent)} {'is' if len(absent) == 1 else 'are'} missing. If this "
                f"is what it looks like, rename {listed(renamed)} (docs/data.md says what each "
                "must hold)."
            )
        yield where, row


def _files(source: Source) -> tuple[SourceFile, SourceFile]:
    folder = source.path
    if not folder.is_dir():
        raise StudyError(
            f"{folder}: there is no such folder (data set `jsonl`, key `path`)."
            if not folder.exists()
            else f"{folder}: is a file; `jsonl` needs the folder with {' and '.join(FILES)}."
        )
    paths = []
    for name in FILES:
        stem = name.removesuffix(".jsonl")
        present = [p for p in (folder / f"{stem}{suffix}" for suffix in PLAIN) if p.is_file()]
        if not present:
            raise StudyError(_without(folder, name))
        paths.append(SourceFile(present[0]))
    return paths[0], paths[1]


def _without(folder: Path, name: str) -> str:
    """What to say of a folder without one of the files."""
    there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if {"queries.jsonl", "qrels"} <= set(there):
        return (
            f"{folder}: this is BEIR's layout, which has no answers. Write {FILES[0]} with `id`, "
            "`question` and `answers` (`gold_doc_ids` from qrels), and in corpus.jsonl rename "
            "`_id` to `doc_id`."
        )
    stem = name.removesuffix(".jsonl")
    if table := next((n for n in there if n.lower() in {stem + end for end in _TABLES}), None):
        reader = _TABLES[Path(table).suffix.lower()].format(table)
        return (
            f"{folder}: the file {name} is missing, and there is {table}. Save it as JSON lines, "
            f'as pandas does: {reader}.to_json("{name}", orient="records", lines=True).'
        )
    shown = ", ".join(there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else "")
    return (
        f"{folder}: the file {name} is missing; `jsonl` needs {' and '.join(FILES)}. The folder "
        f"has {shown or 'nothing'}."
    )
