"""The CSV file that people fill in, and its instruction sheet.

The file opens in spreadsheets as it is: UTF-8 with a byte order mark, and no cell that a
spreadsheet would take for a formula (OWASP, "CSV injection"). What comes back may have semicolons
or tabs for commas, another encoding, rows in another order and cells that the spreadsheet took for
dates (`sheet_rows`); a label that might be another answer's is left out, with its line.
"""

from __future__ import annotations

import csv
import io
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
from rag_study.data.reading import delimited
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample
from rag_study.labelling.sheet_rows import Matching, cell_text, match_rows, shown

COLUMNS = ("answer_id", "question", "reference_answer", "passages", "answer")
_LINE_END = re.compile(r"\r\n|\r|\n")
_BEFORE_HEADER = re.compile(r"(?:(?:sep=.|[ \t,;|\"]*)\r?\n)+", re.IGNORECASE)
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
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: escape(cell_text(cell)) for name, cell in row.items()})
    files.write_text(path, "\ufeff" + text.getvalue())
    beside = path.with_name(f"{path.stem}-instructions.txt")
    files.write_text(beside, instructions)
    return beside


def sample_name(path: Path) -> str:
    """The name of the sample that a file belongs to: that of most of its ids."""
    names = Counter(
        _answer_id(row).rpartition("-")[0] for _, row in _rows(path)[0] if _answer_id(row)
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
    rows, _ = _rows(path)
    found = match_rows(rows, sample.answers).rows.get(answer_id)
    if found is None:
        raise StudyError(f"{path}: the row of {answer_id} is gone, so its grade cannot be kept.")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text,
        [name for name in rows[0][1] if name is not None],
        delimiter=_delimiter(_from_header(_text(path)[0])),
        restval="",
        extrasaction="ignore",
        lineterminator="\r\n",
    )
    writer.writeheader()
    for line, row in rows:
        writer.writerow(row | {criterion: str(grade)} if line == found[0] else row)
    files.write_text(path, "\ufeff" + text.getvalue())


def _checked(
    path: Path, sample: Sample
) -> tuple[dict[str, dict[str, int | None]], list[str], set[str]]:
    """Grades of every answer of the sample, notes on what was left out (rows that go to no answer,
    or of which there are two), and the columns that mean nothing here."""
    answers = {a["answer_id"]: a for a in sample.answers}
    rows, notes = _rows(path)
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
        extra |= {name for name in row if name not in {*COLUMNS, *QUESTIONS} and name}
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


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """Rows by column, each with the line it begins in, and notes on the form of the file. Checks
    encoding and header."""
    whole, notes = _text(path)
    text = _from_header(whole)
    lines_before = whole.count("\n") - text.count("\n")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    needed = ["answer_id", "answer", *QUESTIONS]
    rows, line = [], 1
    try:
        names = [_column(name) for name in reader.fieldnames or []]
        reader.fieldnames = names
        if missing := [name for name in needed if name not in names]:
            raise StudyError(
                f"{path}, line {1 + lines_before}: no column {listed(missing)}. A file of labels "
                f"has at least the columns {listed(needed)}."
            )
        if repeated := sorted({name for name in names if name and names.count(name) > 1}):
            raise StudyError(
                f"{path}, line {1 + lines_before}: {listed(repeated)} stands there twice."
            )
        for row in reader:
            # Spreadsheets leave rows and columns of empty cells at the end.
            beyond = row.pop(None, [])
            if any(map(str.strip, beyond)):
                raise StudyError(
                    f"{path}, line {reader.line_num + lines_before}: more cells than columns."
                )
            if any((cell or "").strip() for cell in row.values()):
                inside = sum(len(_LINE_END.findall(str(cell))) for cell in row.values())
                line = reader.line_num - inside + lines_before
                rows.append((line, row))
    except csv.Error as error:
        raise StudyError(f"{path}, after line {line}: not readable as CSV ({error}).") from None
    return rows, notes


def _from_header(text: str) -> str:
    """The text without the line in which Excel names the delimiter, and without lines of empty
    cells before the header."""
    before = _BEFORE_HEADER.match(text)
    return text[before.end() :] if before else text


def _delimiter(text: str) -> str:
    return max(",;\t|", key=text.partition("\n")[0].count)


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, with a note where it is in none of the encodings of Unicode."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if raw.startswith(b"PK"):
        raise StudyError(f"{path} is a workbook. Save its sheet as “CSV UTF-8”, then again.")
    text, encoding = delimited.decoded(raw)
    notes = []
    if not encoding.startswith("utf"):
        name = "Windows-1252" if encoding == "cp1252" else encoding
        notes.append(f"The file is not in UTF-8; it was read as {name}.")
    if "\0" in text:
        raise StudyError(f"{path} is not a CSV file. Save it as “CSV UTF-8”, then again.")
    return text, notes


def _column(name: str | None) -> str:
    """A column's name as this module writes it, whatever its case and blanks."""
    return re.sub(r"[\s_-]+", "_", unescape((name or "").strip()).lower()).strip("_")


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
