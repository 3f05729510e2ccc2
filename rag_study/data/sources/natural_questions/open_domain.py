"""The open-domain forms: questions and answers, with passages per question or a corpus apart.

The answers are alternatives without the annotations behind them, so nothing here is a list.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields
from rag_study.data.reading.source_files import SourceFile, records, source_files
from rag_study.data.schema import Document, Question
from rag_study.data.sources.natural_questions.collection import TOO_LONG, Collection

CORPUS_EXPECTED = "documents with `id` (or `doc_id`), `text` and `title`, as JSON, Parquet or .tsv"


def dpr(row: dict[str, Any], where: str, options: Any, collection: Collection) -> None:
    """A record of DPR's `biencoder-nq-*.json`.

    The first positive passage is the annotated one. The others contain an answer's words without
    anyone having read them: they are documents, but not gold.
    """
    positives = _passages(row, "positive_ctxs", where, collection)
    hard = []
    if options.hard_negatives:
        hard = _passages(row, "hard_negative_ctxs", where, collection)[: options.hard_negatives]
    _collect(row, "answers", where, collection, positives[:1], positives[1:] + hard)


def with_contexts(row: dict[str, Any], where: str, options: Any, collection: Collection) -> None:
    """A line of nq-open with contexts (Liu et al. 2024, "Lost in the Middle").

    Without a context that is marked as gold, as in the files with retrieved documents, the
    annotated passage of the record is the gold one.
    """
    gold, others = [], []
    for number, context in enumerate(fields.items(row, "ctxs", where)):
        context = fields.mapping(context, f"{where}, ctxs {number}")
        passage = _passage(context, where, collection)
        if passage:
            (gold if context.get("isgold") is True else others).append(passage)
    annotated = row.get("nq_annotated_gold")
    if not gold and annotated is not None:
        annotated = fields.mapping(annotated, f"{where}, nq_annotated_gold")
        for key in ("chunked_long_answer", "long_answer"):
            text = fields.optional_text(annotated, key, where)
            if text and not gold:
                gold = [(fields.optional_text(annotated, "title", where), text)]
    _collect(row, "answers", where, collection, gold, others)


def without_passages(row: dict[str, Any], where: str, options: Any, collection: Collection) -> None:
    """A line of `NQ-open.*.jsonl`, or a row of the hub's nq_open."""
    _collect(row, "answer", where, collection, [], [])


def read_corpus(path: Path, dataset: str, collection: Collection) -> None:
    """The documents of a corpus apart. Raises StudyError, naming the record, for what is none."""
    for file in source_files(path, dataset, CORPUS_EXPECTED):
        rows = _tsv(file) if file.name.lower().endswith(".tsv") else records(file)
        for where, row in rows:
            key = next((k for k in ("doc_id", "id", "_id") if row.get(k) is not None), None)
            if key is None or "text" not in row:
                raise StudyError(
                    f"{where}: is no document; it has the keys "
                    f"{', '.join(sorted(map(str, row)))}. Expected: {CORPUS_EXPECTED}."
                )
            doc_id = fields.text(row, key, where)
            if doc_id in collection.documents:
                raise StudyError(f"{where}: the document id '{doc_id}' is there twice.")
            text = fields.optional_text(row, "text", where)
            if text:
                title = fields.optional_text(row, "title", where)
                collection.documents[doc_id] = Document(doc_id, title, text)
            else:
                collection.counts["documents without text, left out"] += 1
    if not collection.documents:
        raise StudyError(f"{path}: the corpus holds no document with text.")


def _collect(
    row: dict[str, Any],
    key: str,
    where: str,
    collection: Collection,
    gold: list[tuple[str, str]],
    others: list[tuple[str, str]],
) -> None:
    text = fields.text(row, "question", where)
    texts = fields.texts(row, key, where)
    answers = collection.short(texts)
    if not answers:
        collection.dropped[TOO_LONG if texts else "no answer in the source"] += 1
        return
    question_id = collection.new_id(text, answers)
    if question_id is None:
        return
    gold_ids = tuple(dict.fromkeys(collection.passage(*passage) for passage in gold))
    for passage in others:
        collection.passage(*passage)
    is_yes_no = {a.lower() for a in answers} in ({"yes"}, {"no"})
    collection.add(
        Question(
            id=question_id,
            question=text,
            answers=answers,
            answer_type="yesno" if is_yes_no else "factoid",
            gold_doc_ids=gold_ids,
            group=(gold[0][0] or None) if gold else None,
        )
    )


def _passages(
    row: dict[str, Any], key: str, where: str, collection: Collection
) -> list[tuple[str, str]]:
    passages = []
    for number, context in enumerate(fields.optional_items(row, key, where)):
        context = fields.mapping(context, f"{where}, {key} {number}")
        passages.append(_passage(context, f"{where}, {key} {number}", collection))
    return [passage for passage in passages if passage]


def _passage(context: dict[str, Any], where: str, collection: Collection) -> tuple[str, str] | None:
    """(title, text), None for one without text."""
    text = fields.optional_text(context, "text", where)
    if not text:
        collection.counts["passages without text, left out"] += 1
        return None
    return fields.optional_text(context, "title", where), text


def _tsv(file: SourceFile) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open() as stream:
        lines = csv.DictReader(
            io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""), delimiter="\t"
        )
        try:
            for row in lines:
                yield f"{file.label}, line {lines.line_num}", row
        except (csv.Error, UnicodeDecodeError) as error:
            raise StudyError(f"{file.label}: is not tab-separated UTF-8 text ({error}).") from None
