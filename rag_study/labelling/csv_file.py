"""The CSV file that people fill in, and its instruction sheet.

The file opens in spreadsheets as it is: UTF-8 with a byte order mark, and no cell that a
spreadsheet would take for a formula (OWASP, "CSV injection"). What comes back may have semicolons
or tabs for commas and rows in another order; whatever would put a label on the wrong answer is
refused with its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted, listed
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample

NO_ANSWER = "(no answer)"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f]")
# The longest text of a spreadsheet's cell; the rest of it would be lost without a word.
_MAX_CELL = 32_000
_CUT = " … (cut here)"
_SHOWN = 12

INSTRUCTIONS = """How to label these answers
==========================

{file} holds {answers} to {questions}, in random order. Each row has the question, the
reference answer and one candidate answer. Nobody is told which system wrote it; please do not try
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


def escape(text: str) -> str:
    """The cell of a text: one apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescape(cell: str) -> str:
    """The text of a cell that `escape` made."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write(
    path: Path, sample: Sample, passages: Mapping[tuple[str, str], str] | None = None
) -> Path:
    """Write the file to fill in, and the instruction sheet beside it, whose path is returned.

    `passages` maps (dataset, question_id) to the text of a column of its own. Raises StudyError
    when the file exists: somebody's labels may be in it.
    """
    if path.exists():
        raise StudyError(
            f"{path} exists and may hold somebody's labels. Name another file with --out, or "
            "delete it."
        )
    criteria = QUESTIONS
    columns = ["answer_id", "question", "reference_answer", "answer", *criteria]
    if passages is not None:
        columns.insert(3, "passages")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for answer in sample.answers:
        cells = {
            "answer_id": answer["answer_id"],
            "question": answer["question"],
            "reference_answer": answer["reference"],
            "answer": shown(answer["answer"]),
        }
        if passages is not None:
            cells["passages"] = passages[answer["dataset"], answer["question_id"]]
        writer.writerow({name: escape(_cell(cell)) for name, cell in cells.items()})
    files.write_text(path, "\ufeff" + text.getvalue())
    sheet = path.with_name(f"{path.stem}-instructions.txt")
    instructions = INSTRUCTIONS.format(
        file=path.name,
        answers=counted(len(sample.answers), "answer"),
        questions=counted(sample.n_questions, "question"),
        criteria=listed([f"“{name}”" for name in criteria]),
        guide="\n\n".join(f"{name.upper()}\n{text}" for name, text in criteria.items()),
    )
    files.write_text(sheet, instructions)
    return sheet


def shown(answer: str) -> str:
    """An answer as people see it."""
    return answer if answer.strip() else NO_ANSWER


def sample_name(path: Path) -> str:
    """The name of the sample that a file belongs to: that of most of its ids."""
    names = Counter(_answer_id(row, path, line).rpartition("-")[0] for line, row in _rows(path))
    if not names:
        raise StudyError(f"{path}: the file has no rows.")
    return names.most_common(1)[0][0]


def read(path: Path, sample: Sample) -> Labels:
    """Read a file that was filled in, in whole or in part.

    Raises StudyError as `read_grades`, and for a file without any label.
    """
    scores, extra = _checked(path, sample)
    notes = []
    for criterion in QUESTIONS:
        empty = sum(row[criterion] is None for row in scores.values())
        if empty == len(scores):
            notes.append(f"No answer has a label for {criterion}.")
        elif empty:
            notes.append(
                f"{empty} of {counted(len(scores), 'answer')} without a label for {criterion}: "
                "counted as not labelled, as if their questions had not been drawn."
            )
    if len(notes) == len(QUESTIONS) and all(note.startswith("No answer") for note in notes):
        raise StudyError(f"{path}: no label is filled in yet; nothing was stored.")
    if extra:
        notes.append(f"Columns that are not read: {listed(sorted(extra))}.")
    return Labels(scores, notes)


def read_grades(path: Path, sample: Sample) -> dict[str, dict[str, int | None]]:
    """The grades of a file by answer and criterion, None where a cell is empty.

    Raises StudyError, with the lines, for an id that is not of the sample, a row that is there
    twice or not at all, a score that is not a whole number from 1 to 5, and for an answer that is
    not the one of its id.
    """
    return _checked(path, sample)[0]


def put(path: Path, answer_id: str, criterion: str, grade: int) -> None:
    """Write one grade into its cell; all other cells, and the delimiter, stay as they are."""
    rows = _rows(path)
    header = path.read_bytes().decode("utf-8-sig").partition("\n")[0]
    text = io.StringIO(newline="")
    names = list(rows[0][1])
    writer = csv.DictWriter(
        text, names, delimiter=_delimiter(header), restval="", lineterminator="\r\n"
    )
    writer.writeheader()
    for _, row in rows:
        if unescape((row["answer_id"] or "").strip()) == answer_id:
            row = row | {criterion: str(grade)}
        writer.writerow(row)
    files.write_text(path, "\ufeff" + text.getvalue())


def _checked(path: Path, sample: Sample) -> tuple[dict[str, dict[str, int | None]], set[str]]:
    """Grades, and the columns that mean nothing here."""
    criteria, answers = list(QUESTIONS), {a["answer_id"]: a for a in sample.answers}
    scores: dict[str, dict[str, int | None]] = {}
    seen: dict[str, int] = {}
    problems, extra = [], set()
    for line, row in _rows(path):
        answer_id = _answer_id(row, path, line)
        where = f"line {line} ({answer_id})"
        if None in row:
            problems.append(f"{where}: more cells than columns")
        elif answer_id not in answers:
            problems.append(f"{where}: this id is not of the sample {sample.name}")
        elif answer_id in seen:
            problems.append(f"{where}: this id stands in line {seen[answer_id]} already")
        else:
            seen[answer_id] = line
            if not _same(row["answer"], shown(answers[answer_id]["answer"])):
                problems.append(f"{where}: this is not the answer that was written with this id")
            scores[answer_id] = {}
            for criterion in criteria:
                try:
                    scores[answer_id][criterion] = _score(row[criterion])
                except ValueError:
                    grade = (row[criterion] or "").strip()
                    problems.append(
                        f"{where}: {criterion} is {grade!r}, not a whole number from 1 to 5"
                    )
        columns = {"answer_id", "question", "reference_answer", "passages", "answer", *criteria}
        extra |= {name for name in row if name not in columns and name}
    if absent := [answer_id for answer_id in answers if answer_id not in seen]:
        problems.append(
            f"{counted(len(absent), 'row')} of the sample missing (leave cells empty instead): "
            + _first(absent)
        )
    if problems:
        raise StudyError(
            f"{path} cannot be used; nothing was stored:\n  " + _first(problems, "\n  ")
        )
    return scores, extra


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows by column, each with the line it begins in. Checks encoding and header."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such file.") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path} is not in UTF-8. Save it as “CSV UTF-8”, then again.") from None
    if "\0" in text:
        raise StudyError(f"{path} is not a CSV file. Save it as “CSV UTF-8”, then again.")
    header = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=_delimiter(header), strict=True
    )
    needed = ["answer_id", "answer", *QUESTIONS]
    rows, line = [], 1
    try:
        names = [(name or "").strip() for name in reader.fieldnames or []]
        reader.fieldnames = names
        if missing := [name for name in needed if name not in names]:
            raise StudyError(
                f"{path}, line 1: no column {listed(missing)}. A file of labels has at least the "
                f"columns {listed(needed)}."
            )
        if repeated := sorted({name for name in names if name and names.count(name) > 1}):
            raise StudyError(f"{path}, line 1: {listed(repeated)} stands there twice.")
        for row in reader:
            # Spreadsheets leave rows of empty cells at the end.
            if any(isinstance(cell, list) or (cell or "").strip() for cell in row.values()):
                inside = sum(len(_LINE_END.findall(str(cell))) for cell in row.values())
                line = reader.line_num - inside
                rows.append((line, row))
    except csv.Error as error:
        raise StudyError(f"{path}, after line {line}: not readable as CSV ({error}).") from None
    return rows


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _answer_id(row: Mapping[str, str], path: Path, line: int) -> str:
    answer_id = unescape((row["answer_id"] or "").strip())
    if not answer_id:
        raise StudyError(f"{path}, line {line}: a row without answer_id.")
    return answer_id


def _score(cell: str | None) -> int | None:
    text = unescape((cell or "").strip())
    if not text:
        return None
    # Some spreadsheets write whole numbers as 4.0 or 4,0.
    match = re.fullmatch(r"([1-5])([.,]0+)?", text)
    if match is None:
        raise ValueError(text)
    return int(match[1])


def _same(cell: str | None, answer: str) -> bool:
    """Whether a cell is still the answer: spreadsheets change blanks, line ends, apostrophes."""
    return _bare(cell or "") == _bare(_cell(answer))


def _bare(text: str) -> str:
    return "".join(text.split()).lstrip("'")


def _cell(text: str) -> str:
    """A text as a file can hold it: no control characters, not too long."""
    text = _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()
    return text if len(text) <= _MAX_CELL else text[:_MAX_CELL] + _CUT


def _first(items: Sequence[str], separator: str = ", ") -> str:
    more = len(items) - _SHOWN
    tail = [f"and {more} more"] if more > 0 else []
    return separator.join([*items[:_SHOWN], *tail])
