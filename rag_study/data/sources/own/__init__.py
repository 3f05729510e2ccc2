"""Your own data: questions in a table, and documents in a folder, a table, or beside the questions.

`path` is a file with questions (JSON lines, JSON, CSV and its kin, Excel, Parquet, Arrow), or a
folder: with `questions.*` (and `corpus.*`), in BEIR's layout, or as `datasets` saves it. `corpus`
is a folder or file with documents; without it they are the `corpus.*` of the folder, else the
contexts of the rows.

Columns have the names of the schema, or `columns` says what they are called: nothing is guessed
while reading, and a message says what a name is likely to mean. Rows without a question or an
answer are left out and counted, as far as `max_dropped` allows.
"""

from __future__ import annotations

from collections import Counter

from rag_study.common.errors import StudyError
from rag_study.data.reading import documents as prose
from rag_study.data.reading import rows
from rag_study.data.registry import Loader, Source
from rag_study.data.schema import Document, QADataset
from rag_study.data.sources.own import tables
from rag_study.data.sources.own.layout import OwnOptions, layout
from rag_study.data.sources.own.questions import QuestionReader

# Data of more bytes is not read while planning.
_INSTANT_BYTES = 100_000_000


def load(source: Source) -> QADataset:
    """Read everything. Raises StudyError with file and line for the first thing that is wrong."""
    place, options = layout(source), source.options
    counts: Counter[str] = Counter()
    documents: dict[str, Document] = {}
    if place.texts is not None:
        documents = prose.read(place.texts, options.max_dropped, counts)
    elif place.documents:
        documents = rows.corpus_of(tables.document_rows(place, options, counts), counts)
        if not documents:
            raise StudyError(f"{place.documents[0].label}: the file holds no documents.")
    reader = QuestionReader(source, place, documents, counts)
    questions = reader.read()
    return QADataset(
        tuple(questions),
        tuple(documents.values()),
        read=reader.number,
        dropped=dict(reader.dropped),
        counts=dict(+counts),
    )


def _is_instant(source: Source) -> bool:
    try:
        return sum(path.stat().st_size for _, path in layout(source).files()) <= _INSTANT_BYTES
    except (OSError, StudyError):
        return True  # and loading says what is wrong


LOADER = Loader(
    "own",
    load,
    expected="a file with questions, or a folder with questions.jsonl and corpus.jsonl",
    takes_corpus=True,
    instant=_is_instant,
    files=lambda source: layout(source).files(),
    version=4,
    options=OwnOptions,
)
