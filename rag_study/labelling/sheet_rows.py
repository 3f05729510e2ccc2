"""Which row of a filled-in sheet is which answer, whatever a spreadsheet has made of its cells.

Opened and saved, "SEPT2" becomes 02-Sep, "007" becomes 7, "1E5" 1.00E+05 and "TRUE" WAHR. The id
of a row says which answer it is, and the texts must not say another one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_study.common.cells import is_formula, unescape

NO_ANSWER = "(no answer)"
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f]")
# The longest text of a spreadsheet's cell; the rest of it would be lost without a word.
_MAX_CELL = 32_000
_CUT = " … (cut here)"
# What spreadsheets take for a date, a number or a truth value, and what they leave in its place.
_LONGEST_VALUE = 30
_TRUTH = re.compile(
    r"(true|false|wahr|falsch|vrai|faux|verdadero|falso|vero|waar|onwaar|verdadeiro|prawda|fałsz|"
    r"истина|ложь|真|假)",
    re.IGNORECASE,
)
_SHORTEST_BEGINNING = 200
_TYPED = str.maketrans("“”„«»‘’‚′–—−‐‑", '"""""\'\'\'\'-----')


@dataclass
class Matching:
    """The rows of a sheet by answer_id, each with its line. `changed` are the ids of those whose
    answers a spreadsheet has rewritten, `problems` what rows are left out and why."""

    rows: dict[str, tuple[int, Mapping[str, str]]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def shown(answer: str) -> str:
    """An answer as people see it."""
    return answer if answer.strip() else NO_ANSWER


def cell_text(text: str) -> str:
    """A text as a cell can hold it: no control characters, not too long."""
    text = _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()
    return text if len(text) <= _MAX_CELL else text[:_MAX_CELL] + _CUT


def match_rows(
    rows: Sequence[tuple[int, Mapping[str, str]]], answers: Sequence[Mapping[str, Any]]
) -> Matching:
    """Find the answer of each row; `answers` are those of the sample."""
    known = _Known(answers)
    matching = Matching()
    lines: dict[str, list[int]] = defaultdict(list)
    for line, row in rows:
        answer_id, problem = known.find(row)
        if problem:
            shown_id = (row["answer_id"] or "").strip() or "no answer_id"
            matching.problems.append(f"line {line} ({shown_id}): {problem}")
            continue
        lines[answer_id].append(line)
        if len(lines[answer_id]) > 1:
            before = matching.rows.get(answer_id)
            if before and any(before[1].get(key) != row.get(key) for key in row):
                del matching.rows[answer_id]
            continue
        matching.rows[answer_id] = line, row
        if not same(row["answer"], known.text(answer_id)):
            matching.changed.append(answer_id)
    for answer_id, found in lines.items():
        if answer_id not in matching.rows:
            listed = " and ".join(map(str, found))
            matching.problems.append(f"lines {listed} ({answer_id}): the same id, other cells")
    matching.changed = [answer_id for answer_id in matching.changed if answer_id in matching.rows]
    return matching


class _Known:
    def __init__(self, answers: Sequence[Mapping[str, Any]]):
        self._by_id = {answer["answer_id"]: answer for answer in answers}
        self._by_text: dict[str, list[str]] = defaultdict(list)
        for answer_id in self._by_id:
            self._by_text[_bare(cell_text(self.text(answer_id)))].append(answer_id)

    def text(self, answer_id: str) -> str:
        return shown(self._by_id[answer_id]["answer"])

    def find(self, row: Mapping[str, str]) -> tuple[str, str]:
        """The id of a row's answer, or "" and why there is none."""
        answer_id = unescape((row["answer_id"] or "").strip())
        if answer_id not in self._by_id:
            fitting = [
                other
                for other in self._by_text.get(_bare(row["answer"] or ""), [])
                if self._asks(other, row) is True
            ]
            if len(fitting) == 1:
                return fitting[0], ""
            return "", "this id is not of the sample" if answer_id else "a row without answer_id"
        if same(row["answer"], self.text(answer_id)):
            return answer_id, ""
        problem = "this is not the answer that was written with this id"
        if self._asks(answer_id, row) is False:
            return "", f"{problem}, nor the question"
        if self._by_text.get(_bare(row["answer"] or "")):
            return "", f"{problem}, but that of another"
        if not may_become(cell_text(self.text(answer_id)), row["answer"] or ""):
            return "", problem
        return answer_id, ""

    def _asks(self, answer_id: str, row: Mapping[str, str]) -> bool | None:
        """Whether the row has the question of an answer; None without such a column."""
        if row.get("question") is None:
            return None
        question = self._by_id[answer_id]["question"]
        return same(row["question"], question) or may_become(question, row["question"])


def may_become(text: str, cell: str) -> bool:
    """Whether a spreadsheet may have made the cell of the text: a date, a number or a truth value
    in another form, the beginning of a long text, or letters lost to a code page."""
    text, cell = text.strip(), cell.strip()
    if _is_value(text) and (_is_value(cell) or cell.startswith("#") or not cell):
        return True
    bare, given = _bare(text), _bare(cell)
    if len(given) >= _SHORTEST_BEGINNING and bare.startswith(given):
        return True
    # What a code page does not have becomes "?", or two or three other letters.
    plain = [re.sub(r"[^\x21-\x3e\x40-\x7e]", "", one) for one in (bare, given)]
    damaged = not bare.isascii() and plain[0] != bare
    return damaged and bool(plain[0]) and plain[0] == plain[1]


def _is_value(text: str) -> bool:
    """Whether a spreadsheet takes the text for a value or a formula."""
    if len(text) > _LONGEST_VALUE:
        return False
    return bool(_TRUTH.fullmatch(text) or is_formula(text) or any(map(str.isdigit, text)))


def same(cell: str | None, text: str) -> bool:
    """Whether a cell is still the text: spreadsheets change blanks, line ends, apostrophes, and
    write quotes, dashes and dots as people print them."""
    return _bare(cell or "") == _bare(cell_text(text))


def _bare(text: str) -> str:
    text = unicodedata.normalize("NFKC", text.translate(_TYPED)).translate(_TYPED)
    return "".join(text.split()).lstrip("'")
