"""Tags that people give to a study's answers ("wrong unit", "made up"), in one sheet of its folder.

`tags.csv` has a row for each answer that a person has looked at: her tags, divided by semicolons,
or `ok` where she had nothing to say. A row without tags is an answer that nobody has looked at. An
answer is known by its text, question, context and data set (`answer_id`): what several states
answered word for word is tagged once, and tags go when the study has another answer.

**Nothing is lost.** Whoever changes a tag reads the sheet again, changes that row and leaves all
else as it is, while no other process does the same. A spreadsheet that was opened before and saves
its older copy over the sheet would still take rows away: everything that was given here is also
appended to a history, `lost` says what the sheet does not have any more, `put_back` brings it
back, and `accept` agrees to its absence.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rag_study.common import secrets
from rag_study.common.cells import escape, unescape
from rag_study.common.errors import StudyError
from rag_study.common.shown import shortened, visible
from rag_study.common.wording import counted
from rag_study.data.reading import filled_in
from rag_study.study import study_tables

FILE, HISTORY = "tags.csv", "tags-history.jsonl"
SEEN = "ok"  # looked at, and nothing to say
COLUMNS = ("answer_id", "tags", "by", "question_id", "state", "context", "question", "answer")
_ID = re.compile(r"a[0-9a-f]{12}")
_BETWEEN = re.compile(r"[;,|\n]")
_LONGEST = 500  # characters of a text in the sheet, which is there for people alone


@dataclass(frozen=True)
class Tags:
    """What people said: `given` maps an answer_id to the people who looked at the answer, and each
    of them to her tags, none where she had nothing to say. `notes` are sentences on the file."""

    given: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """All tags, those that were given to most answers first."""
        used = Counter(
            tag for people in self.given.values() for tag in frozenset().union(*people.values())
        )
        return sorted(used, key=lambda tag: (-used[tag], tag.casefold()))


class Change(NamedTuple):
    """Tags of a person to add and to remove. `answer` has an `answer_id` and what else people
    should read in its row (COLUMNS). To remove SEEN is not to have looked at the answer."""

    answer: Mapping[str, str]
    by: str
    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


def answer_id(dataset: str, context: str, question_id: str, answer: str) -> str:
    """The id of an answer's text to a question; a letter first, so that no spreadsheet takes it
    for a number."""
    text = json.dumps([str(part) for part in (dataset, context, question_id, answer)])
    return f"a{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def read(folder: Path) -> Tags:
    """The tags in a study's folder. Raises StudyError, with file and line, for a row that cannot be
    used."""
    given = _given(folder / FILE)
    tags = {
        answer: {person: said - {SEEN} for person, said in people.items()}
        for answer, people in given.items()
    }
    gone = {change.answer["answer_id"] for change in _lost(folder, given)}
    note = (
        f"{FILE} lacks tags of {counted(len(gone), 'answer')} that were given in the explorer: a "
        "spreadsheet may have saved an older copy, or somebody took them out. The explorer "
        f"(00_explore) can put them back; {HISTORY} has them."
    )
    return Tags(tags, [note] if gone else [])


def read_or_say(folder: Path) -> Tags:
    """As `read`; of a file that cannot be used there is a note, and no tag."""
    try:
        return read(folder)
    except StudyError as error:
        return Tags(notes=[f"People's tags are left out. {error}"])


def change(folder: Path, *changes: Change) -> None:
    """Carry out changes in a study's sheet of tags. Raises StudyError as `read`, and where the
    sheet cannot be written."""
    path = folder / FILE
    try:
        with study_tables.replacing(folder):
            _given(path)  # a sheet with a row that cannot be used is left as it is
            sheet = _sheet(path)
            header, rows = dict(sheet.header), [row for _, row in sheet.rows]
            spelled = _spellings(rows)
            for one in changes:
                header |= {name: name for name in (*COLUMNS, *one.answer) if name not in header}
            done = [_carry_out(rows, one, spelled) for one in changes]
            _append(folder, done)  # first: what the sheet then lacks can be put back
            filled_in.write(path, header, rows, sheet.delimiter)
    except OSError as error:
        raise StudyError(
            f"{path}: tags cannot be kept there ({error.strerror or error})."
        ) from None


def merge(folder: Path, other: Path) -> None:
    """Take over the tags of another sheet; those that are here stay. Raises StudyError as `read`
    does, for either sheet."""
    _given(other)
    changes = []
    for _, row in _sheet(other).rows:
        named = {n if isinstance(n, str) else f"column_{n}": _cell(row, n) for n in row}
        if tags := _tags(named.pop("tags")):
            changes.append(Change(named, named.pop("by", ""), add=tags))
    change(folder, *changes)


def lost(folder: Path) -> list[Change]:
    """What was given here and the sheet does not have any more, as changes that bring it back.
    Raises StudyError as `read`."""
    return _lost(folder, _given(folder / FILE))


def put_back(folder: Path) -> None:
    """Give again what is `lost`."""
    change(folder, *lost(folder))


def accept(folder: Path) -> None:
    """Agree that what is `lost` is gone."""
    given = _given(folder / FILE)
    entries = []
    for one in _lost(folder, given):
        said = given.get(one.answer["answer_id"], {}).get(one.by, frozenset())
        entries.append({"answer": dict(one.answer), "by": one.by, "tags": sorted(said)})
    with study_tables.replacing(folder):
        _append(folder, entries)


# --- The sheet ------------------------------------------------------------------------------------


def _sheet(path: Path) -> filled_in.Sheet:
    if not path.exists():
        return filled_in.Sheet([], {name: name for name in COLUMNS})
    return filled_in.read(path, ("answer_id", "tags"), "file of tags")


def _given(path: Path) -> dict[str, dict[str, frozenset[str]]]:
    """Tags, or SEEN, by answer and person."""
    given: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    sheet = _sheet(path)
    spelled = _spellings(row for _, row in sheet.rows)
    for line, row in sheet.rows:
        tags = _tags(_cell(row, "tags"), spelled)
        if not tags:
            continue
        answer, person = _key(row)
        if not _ID.fullmatch(answer):
            raise StudyError(
                f"{path}, line {line}: “{visible(answer)}” is not the answer_id of an answer, so "
                "the tags of this row belong to none. Copy the id from another row of that answer, "
                "or delete the row."
            )
        given[answer][person] = _settled(given[answer].get(person, frozenset()) | tags)
    return given


def _carry_out(rows: list[filled_in.Row], one: Change, spelled: dict[str, str]) -> dict[str, Any]:
    """Change the rows of an answer and a person, or add one; what the history says of it."""
    by = " ".join(visible(one.by).split())
    shown = {
        name: shortened(visible(cell, lines=True), _LONGEST) for name, cell in one.answer.items()
    }
    mine = [row for row in rows if _key(row) == (one.answer["answer_id"], by)]
    before = frozenset().union(*(_tags(_cell(row, "tags"), spelled) for row in mine))
    add, remove = (
        frozenset().union(*(_tags(tag, spelled) for tag in tags)) for tags in (one.add, one.remove)
    )
    after = _settled((before | add) - remove)
    if not after and SEEN not in remove:
        after = frozenset({SEEN})
    if not mine:
        mine = [{"by": escape(by)}]
        rows += mine
    for row in mine:
        row["tags"] = escape("; ".join(sorted(after, key=str.casefold)))
        for name, cell in shown.items():
            row[name] = row.get(name) or escape(cell)
    return {"answer": shown, "by": by, "tags": sorted(after)}


def _key(row: filled_in.Row) -> tuple[str, str]:
    return _cell(row, "answer_id"), " ".join(_cell(row, "by").split())


def _cell(row: filled_in.Row, name: str | int) -> str:
    return unescape((row.get(name) or "").strip())


def _spellings(rows: Iterable[filled_in.Row]) -> dict[str, str]:
    """How a tag is written, by the tag without its case: as it was first."""
    spelled = {SEEN: SEEN}
    for row in rows:
        _tags(_cell(row, "tags"), spelled)
    return spelled


def _tags(text: str, spelled: dict[str, str] | None = None) -> frozenset[str]:
    spelled = {SEEN: SEEN} if spelled is None else spelled
    tags = (" ".join(visible(part).split()) for part in _BETWEEN.split(text))
    return frozenset(spelled.setdefault(tag.casefold(), tag) for tag in tags if tag)


def _settled(tags: frozenset[str]) -> frozenset[str]:
    """Who has given a tag has looked at the answer."""
    return tags - {SEEN} or tags


# --- The history ----------------------------------------------------------------------------------


def _lost(folder: Path, given: Mapping[str, Mapping[str, frozenset[str]]]) -> list[Change]:
    last = {(one["answer"]["answer_id"], one["by"]): one for one in _history(folder)}
    found = []
    for (answer, by), one in last.items():
        there = {tag.casefold() for tag in given.get(answer, {}).get(by, ())}
        gone = frozenset(tag for tag in one["tags"] if tag.casefold() not in there)
        if gone and not (there and gone == {SEEN}):
            found.append(Change(one["answer"], by, add=gone))
    return found


def _append(folder: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    lines = "".join(
        json.dumps({"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **one}) + "\n"
        for one in entries
    )
    with (folder / HISTORY).open("ab") as file:
        # The first line end closes a line that a killed writer left open.
        file.write(b"\n" * bool(file.tell()) + secrets.hidden(lines).encode())
        file.flush()
        os.fsync(file.fileno())


def _history(folder: Path) -> Iterator[dict[str, Any]]:
    """What was said here, oldest first, without lines that are not whole."""
    try:
        text = (folder / HISTORY).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n"):
        try:
            one = json.loads(line)
            whole = _ID.fullmatch(one["answer"]["answer_id"]) and {"by", "tags"} <= one.keys()
        except (ValueError, TypeError, KeyError):
            continue
        if whole:
            yield one
