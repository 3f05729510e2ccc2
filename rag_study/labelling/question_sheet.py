"""The sheet on which a person strikes out or mends questions that a model wrote.

A row has the passage, the question and its answer; the columns `good`, `new_question`, `new_answer`
and `new_points` are for the person. A spreadsheet may rewrite what it takes for a date or a number:
what is mended goes into columns of its own. A wording that was changed in its place is taken, too,
where no spreadsheet can have made it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag_study.common.cells import unescape
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted, listed
from rag_study.data.reading import delimited
from rag_study.data.reading.source_files import Reading, SourceFile, records
from rag_study.data.splits import hash_order
from rag_study.labelling import csv_file
from rag_study.labelling.sheet_rows import cell_text, may_become, same
from rag_study.questions.store import FINE, MENDED, STRUCK_OUT

_SHOWN = ("id", "passage", "question", "answer", "points", "kind")
_FILLED_IN = ("good", "new_question", "new_answer", "new_points")
_YES = "yes y ja j oui o si sí sì sim да 1 ok true wahr vrai ✓ ✔ good fine keep gut 是 はい".split()
_NO = (
    "no n nein non não nee нет 0 false falsch faux ✗ ✘ bad out delete strike schlecht 否 いいえ"
).split()
_NO_ANSWER = "(nothing in the documents answers it)"
_LISTED = 5

INSTRUCTIONS = """How to read these questions
===========================

{file} holds {questions} that a model wrote, each from the passage beside it, in random order.
A study will ask them of models and take the answers here for right, so each should be

  - a question that somebody might really ask, who has never seen the passage,
  - understood without the passage, and with one right answer only,
  - answered rightly and fully in the column “answer”, going by the passage.
    “{no_answer}” must be true.

In the column “good” write yes, or no to strike the question out. Where a few words make it good,
write the whole new wording into “new_question” or “new_answer” and leave “good” empty (of a list,
divide the parts by semicolons; “points” are what a good answer must name).

A row with nothing filled in counts as not read, and its question stays. You may stop anywhere: the
order is random, so the share that was struck out is known from those that were read. Change nothing
else, delete no rows, and save as “CSV UTF-8” or as a workbook (.xlsx). Then:

    rag-study questions FOLDER --read {file}
"""


@dataclass(frozen=True)
class Read:
    """What a person said, by question id (as `store.Store.review` takes it), and `notes`."""

    said: dict[str, dict[str, str]]
    notes: list[str] = field(default_factory=list)


def write(path: Path, kept: Sequence[Mapping[str, Any]]) -> Path:
    """Write questions that were made (`store.Store.kept`) for a person to read, and instructions
    beside them, whose path is returned. Raises StudyError when the file exists."""
    rows = map(_cells, sorted(kept, key=lambda row: hash_order(row["question"]["id"])))
    instructions = INSTRUCTIONS.format(
        file=path.name, questions=counted(len(kept), "question"), no_answer=_NO_ANSWER
    )
    columns = [*_SHOWN, *_FILLED_IN]
    return csv_file.write_sheet(
        path, columns, rows, instructions, holding="what somebody wrote", option="--sheet"
    )


def read(path: Path, kept: Sequence[Mapping[str, Any]]) -> Read:
    """Read a sheet that was filled in, in whole or in part; a row goes to the question of its id.

    Raises StudyError, with the rows, for a cell in `good` that says neither yes nor no, for two
    rows of one question that differ, and where nothing is filled in.
    """
    known = {row["question"]["id"]: row for row in kept}
    said: dict[str, dict[str, str]] = {}
    seen: dict[str, str] = {}
    problems: list[str] = []
    strange: list[str] = []
    unsure: list[str] = []
    for where, given in records(SourceFile(path), _reading(path)):
        row = {_column(name): _text(cell) for name, cell in given.items()}
        if "id" not in row or "good" not in row:
            raise StudyError(
                f"{where}: a sheet of questions has the columns id and good; this row has "
                f"{listed([*row][:8])}."
            )
        question_id = row["id"]
        if question_id not in known:
            strange.append(f"{where} ({question_id or 'no id'})")
            continue
        try:
            entry, doubt = _said(row, known[question_id])
        except ValueError:
            problems.append(f"{where}: `good` is {row['good']!r}, which is neither yes nor no")
            continue
        if question_id in said and said[question_id] != entry:
            problems.append(f"{where}: {question_id} stands there twice, with other cells")
            continue
        if doubt:
            unsure.append(f"{where} ({doubt})")
        seen[question_id] = where
        if entry:
            said[question_id] = entry
    if problems:
        raise StudyError(
            f"{path} cannot be used; nothing was stored:\n  " + "\n  ".join(problems[:12])
        )
    if not said:
        raise StudyError(
            f"{path}: no row is filled in{'' if seen else ' that is of these questions'}; nothing "
            "was stored."
        )
    return Read(said, _notes(strange, unsure, len(seen) - len(said)))


def _notes(strange: Sequence[str], unsure: Sequence[str], unread: int) -> list[str]:
    notes = []
    if unread:
        notes.append(f"{counted(unread, 'row')} with nothing filled in: not read, they stay.")
    if strange:
        notes.append(
            f"Left out, {counted(len(strange), 'row')} of no question that was made here: "
            f"{', '.join(strange[:_LISTED])}."
        )
    if unsure:
        notes.append(
            "Looks otherwise than written, as spreadsheets leave dates and numbers; if it was "
            f"mended, write it into the column new_…: {', '.join(unsure[:_LISTED])}."
        )
    return notes


def _said(row: Mapping[str, str], made: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """What a row says of its question, {} for nothing, and the column that may be changed or not.
    Raises ValueError for a `good` that is neither yes nor no."""
    word = row["good"].casefold().strip(" .!")
    verdict = "" if not word else FINE if word in _YES else STRUCK_OUT if word in _NO else None
    if verdict is None:
        raise ValueError(word)
    if verdict == STRUCK_OUT:
        return {"verdict": verdict}, ""
    cells, mended, doubt = _cells(made), {}, ""
    for name in ("question", "answer", "points"):
        new = row.get(f"new_{name}", "")
        written, there = cells[name], row.get(name)
        if not new and there and not same(there, written):
            if may_become(cell_text(written), there):
                doubt = name
            else:
                new = there
        if new and not same(new, written):
            mended[name] = new
    if mended:
        return {"verdict": MENDED, **mended}, doubt
    return ({"verdict": verdict} if verdict else {}), doubt


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    question = row["question"]
    answer = question["reference"]
    if question["answer_type"] == "unanswerable":
        answer = _NO_ANSWER
    points = "; ".join(point[0] for point in question["key_points"])
    if question["answer_type"] == "list":
        answer, points = points, ""
    return {
        "id": question["id"],
        "passage": "\n\n".join(row["passages"]),
        "question": question["question"],
        "answer": answer,
        "points": points,
        "kind": row["kind"],
    }


def _reading(path: Path) -> Reading:
    if not path.exists():
        raise StudyError(f"{path}: there is no such file.")
    if not path.name.lower().endswith(delimited.SUFFIXES):
        return Reading()
    with path.open("rb") as stream:
        return Reading(encoding=delimited.encoding_of(stream))


def _column(name: str) -> str:
    return re.sub(r"[\s-]+", "_", unescape(str(name)).strip().lower().lstrip("\ufeff"))


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else unescape(str(cell)).strip()
