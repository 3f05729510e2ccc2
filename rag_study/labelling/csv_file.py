"""The CSV file that people fill in, and its instruction sheet.

The file opens in spreadsheets as it is: UTF-8 with a byte order mark, and no cell that a
spreadsheet would take for a formula (OWASP, "CSV injection"). What comes back may have semicolons
or tabs for commas, another encoding, rows in another order and cells that the spreadsheet took for
dates (`sheet_rows`); a label that might be another answer's is left out, with its line.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag_study.common import files
from rag_study.common.cells import escape, unescape
from rag_study.common.errors import StudyError
from rag_study.common.text import plain
from rag_study.common.wording import counted, listed
from rag_study.data.reading import filled_in
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample
from rag_study.labelling.sheet_rows import Matching, cell_text, match_rows, shown

COLUMNS = ("answer_id", "question", "reference_answer", "passages", "answer")
_SHOWN = 12

INSTRUCTIONS = """How to label these answers
==========================

{file} holds {answers} to {questions}, in random order. Each row has the question, the
reference answer and one answer to grade. Nobody is told which system wrote it; please do not try
to find out. Rows that follow each other may answer the same question.

Give each answer whole numbers from 1 to 5 in the columns {criteria}.
Judge each answer by itself, against the reference. Where you know that the reference is wrong, go
by the reference all the same. The first impression is good enough: ten grades a minute is a usual
pace, and more grades tell more than slow ones.

{guide}

Leave a cell empty where you cannot decide: it counts as not labelled. You may stop anywhere; the
order is random, so what is done can be used. Change nothing else, delete no rows, and save as
"CSV UTF-8". Then:

    rag-study label STUDY.yaml --read {file}

Instead of a spreadsheet, a terminal takes one key for a grade, and goes on where you stopped:

    rag-study label STUDY.yaml --grade {file}
"""


@dataclass(frozen=True)
class Labels:
    """What people gave: `scores` maps answer_id to criterion to a score from 1 to 5, or None where
    the cell was empty. `notes` are sentences on what was left out or ignored."""

    scores: dict[str, dict[str, int | None]]
    notes: list[str]


def write(
    path: Path, sample: Sample, passages: Mapping[tuple[str, str], str] | None = None
) -> Path:
    """Write the file to fill in, and the instruction sheet beside it, whose path is returned.

    `passages` maps (dataset, question_id) to the text of a column of its own. Raises StudyError
    when the file exists: somebody's labels may be in it.
    """
    criteria = QUESTIONS
    columns = ["answer_id", "question", "reference_answer", "answer", *criteria]
    if passages is not None:
        columns.insert(3, "passages")
    rows = []
    for answer in sample.answers:
        cells = {
            "answer_id": answer["answer_id"],
            "question": answer["question"],
            "reference_answer": answer["reference"],
            "answer": shown(answer["answer"]),
        }
        if passages is not None:
            cells["passages"] = passages[answer["dataset"], answer["question_id"]]
        rows.append(cells)
    instructions = INSTRUCTIONS.format(
        file=path.name,
        answers=counted(len(sample.answers), "answer"),
        questions=counted(sample.n_questions, "question"),
        criteria=listed([f"“{name}”" for name in criteria]),
        guide="\n\n".join(f"{name.upper()}\n{text}" for name, text in criteria.items()),
    )
    return write_sheet(
        path, columns, rows, instructions, holding="somebody's labels", option="--out"
    )


def write_sheet(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, str]],
    instructions: str,
    *,
    holding: str,
    option: str,
) -> Path:
    """Write a sheet that spreadsheets open as it is, columns without cells left empty, and
    instructions beside it, whose path is returned. Raises StudyError when the file exists, which
    may hold `holding`; `option` names another."""
    if path.exists():
        raise StudyError(
            f"{path} exists and may hold {holding}. Name another file with {option}, or delete it."
        )
    written = [{name: escape(cell_text(cell)) for name, cell in row.items()} for row in rows]
    filled_in.write(path, {name: name for name in columns}, written)
    beside = path.with_name(f"{path.stem}-instructions.txt")
    files.write_text(beside, instructions)
    return beside


def sample_name(path: Path) -> str:
    """The name of the sample that a file belongs to: that of most of its ids."""
    names = Counter(
        _answer_id(row).rpartition("-")[0] for _, row in _sheet(path).rows if _answer_id(row)
    )
    if not names:
        raise StudyError(f"{path}: the file has no rows with an answer_id.")
    return names.most_common(1)[0][0]


def read(path: Path, sample: Sample) -> Labels:
    """Read a file that was filled in, in whole or in part.

    Raises StudyError as `read_grades`, and for a file without any label.
    """
    scores, notes, extra = _checked(path, sample)
    unlabelled = []
    for criterion in QUESTIONS:
        empty = sum(row[criterion] is None for row in scores.values())
        if empty == len(scores):
            unlabelled.append(f"No answer has a label for {criterion}.")
        elif empty:
            notes.append(
                f"{empty} of {counted(len(scores), 'answer')} without a label for {criterion}: "
                "counted as not labelled, as if their questions had not been drawn."
            )
    if len(unlabelled) == len(QUESTIONS):
        raise StudyError(f"{path}: no label is filled in yet; nothing was stored.")
    notes += unlabelled
    if extra:
        notes.append(f"Columns that are not read: {listed(sorted(extra))}.")
    return Labels(scores, notes)


def read_grades(path: Path, sample: Sample) -> dict[str, dict[str, int | None]]:
    """The grades of a file by answer and criterion, None where a cell is empty.

    A row goes to the answer of its id, where its texts do not say another one: spreadsheets turn
    "SEPT2" into a date and "007" into 7, so the question beside it counts as well.

    Raises StudyError, with the lines, for a score that is not a whole number from 1 to 5, and for a
    file of which no row belongs to the sample.
    """
    return _checked(path, sample)[0]


def put(path: Path, sample: Sample, answer_id: str, criterion: str, grade: int) -> None:
    """Write one grade into its cell; all other cells, and the delimiter, stay as they are. Raises
    StudyError where the file has no row of this answer."""
    sheet = _sheet(path)
    found = match_rows(sheet.rows, sample.answers).rows.get(answer_id)
    if found is None:
        raise StudyError(f"{path}: the row of {answer_id} is gone, so its grade cannot be kept.")
    rows = [row | {criterion: str(grade)} if line == found[0] else row for line, row in sheet.rows]
    filled_in.write(path, sheet.header, rows, sheet.delimiter)


def _checked(
    path: Path, sample: Sample
) -> tuple[dict[str, dict[str, int | None]], list[str], set[str]]:
    """Grades of every answer of the sample, notes on what was left out (rows that go to no answer,
    or of which there are two), and the columns that mean nothing here."""
    answers = {a["answer_id"]: a for a in sample.answers}
    sheet = _sheet(path)
    rows, notes = sheet.rows, sheet.notes
    matching = match_rows(rows, sample.answers)
    problems, extra = [], set()
    scores: dict[str, dict[str, int | None]] = {}
    for answer_id, (line, row) in matching.rows.items():
        scores[answer_id] = {}
        for criterion in QUESTIONS:
            try:
                scores[answer_id][criterion] = _score(row[criterion])
            except ValueError:
                grade = (row[criterion] or "").strip()
                problems.append(
                    f"line {line} ({answer_id}): {criterion} is {grade!r}, not a whole number "
                    "from 1 to 5"
                )
    for _, row in rows:
        extra |= {name for name in row if isinstance(name, str)} - {*COLUMNS, *QUESTIONS}
    if problems:
        raise StudyError(
            f"{path} cannot be used; nothing was stored:\n  " + _first(problems, "\n  ")
        )
    if not scores:
        raise StudyError(
            f"{path}: no row belongs to the sample {sample.name}; nothing was stored:\n  "
            + _first(matching.problems or ["the file has no rows"], "\n  ")
        )
    notes += _notes_of(matching, [i for i in answers if i not in scores])
    blank = dict.fromkeys(QUESTIONS)
    whole = {answer_id: scores.get(answer_id, dict(blank)) for answer_id in answers}
    return whole, notes, extra


def _notes_of(matching: Matching, absent: Sequence[str]) -> list[str]:
    notes = []
    if matching.changed:
        notes.append(
            f"{counted(len(matching.changed), 'answer')} looked otherwise than written, as "
            "spreadsheets leave dates and numbers; the labels were taken by answer_id and "
            f"question: {_first(matching.changed)}."
        )
    if matching.problems:
        notes.append(
            f"Labels left out, of {counted(len(matching.problems), 'row')} that cannot be matched "
            f"with an answer:\n  {_first(matching.problems, chr(10) + '  ')}"
        )
    if absent:
        notes.append(
            f"{counted(len(absent), 'row')} of the sample missing or left out: {_first(absent)}."
        )
    return notes


def _sheet(path: Path) -> filled_in.Sheet:
    return filled_in.read(path, ["answer_id", "answer", *QUESTIONS], "file of labels")


def _answer_id(row: Mapping[str, str]) -> str:
    return unescape((row["answer_id"] or "").strip())


def _score(cell: str | None) -> int | None:
    text = plain(cell or "").strip().lstrip("'").strip()
    if not text:
        return None
    # Some spreadsheets write whole numbers as 4.0 or 4,0, and people "4 - good" and "4: good", but
    # 04-May was 4.5, and 4/5 may be a date.
    text = re.sub(r"(?<=\d)(?: +[-\u2013\u2014(] *|: *)(?=[^\W\d_]).*", "", text)
    match = re.fullmatch(r"=?\"?0?(\d)(?:[.,]0*)?\"?", text)
    if match and "1" <= (digit := str(unicodedata.decimal(match[1]))) <= "5":
        return int(digit)
    raise ValueError(text)


def _first(items: Sequence[str], separator: str = ", ") -> str:
    more = len(items) - _SHOWN
    tail = [f"and {more} more"] if more > 0 else []
    return separator.join([*items[:_SHOWN], *tail])
