"""Grading in the terminal: one answer on the screen, one key for a grade, kept as it is given.

The grades go into the very file that a spreadsheet would fill in (`csv_file`), after each key, so
that a session may end anywhere and go on later, there or here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag_study.common.wording import counted
from rag_study.labelling import csv_file
from rag_study.labelling.questions import QUESTIONS
from rag_study.labelling.sample import Sample

SKIP, BACK, STOP = "s", "b", "q"
KEYS = f"1 to 5: grade   {SKIP}: cannot say   {BACK}: back   {STOP}: stop (all is kept)"
_GRADES = "12345"


@dataclass(frozen=True)
class Asked:
    """One grade that is asked for: of which answer, by which criterion."""

    answer_id: str
    criterion: str
    question: str
    reference: str
    answer: str


def grade(
    path: Path, sample: Sample, show: Callable[[str], None], read_key: Callable[[], str]
) -> int:
    """Ask for every grade that the file lacks, in its order; returns how many were given.

    `show` prints a text, `read_key` waits for one key ("" or an end of input stops). What cannot be
    said is passed over this time and asked for again in the next session. Raises StudyError as
    `csv_file.read` does for a file that is not of this sample.
    """
    grades = csv_file.read_grades(path, sample)
    open_grades = [
        asked for asked in _all(sample) if grades[asked.answer_id][asked.criterion] is None
    ]
    place, given, started, before = 0, 0, time.monotonic(), ""
    show(f"{counted(len(open_grades), 'grade')} to give. {KEYS}\n\n")
    while place < len(open_grades):
        asked = open_grades[place]
        show(_screen(asked, before, len(open_grades) - place))
        before = asked.answer_id
        key = _wanted(read_key)
        if key == STOP:
            break
        if key == BACK:
            place, before = max(0, place - 1), ""
        elif key == SKIP:
            place += 1
        else:
            given += grades[asked.answer_id][asked.criterion] is None
            grades[asked.answer_id][asked.criterion] = int(key)
            csv_file.put(path, sample, asked.answer_id, asked.criterion, int(key))
            place += 1
        show(f"{key}\n")
    minutes = (time.monotonic() - started) / 60
    pace = f", {given / minutes:.0f} a minute" if given > 1 and minutes > 0 else ""
    show(f"\n{counted(given, 'grade')} given{pace}; {len(open_grades) - given} are left.")
    return given


def _all(sample: Sample) -> Iterator[Asked]:
    for answer in sample.answers:
        for criterion in QUESTIONS:
            yield Asked(
                answer["answer_id"],
                criterion,
                answer["question"],
                answer["reference"],
                csv_file.shown(answer["answer"]),
            )


def _screen(asked: Asked, before: str, left: int) -> str:
    """The answer where it is new, then the question about it; the whole guide stands at the top of
    the instruction sheet, its first line here."""
    first = QUESTIONS[asked.criterion].splitlines()[0]
    prompt = f"{asked.criterion.capitalize()}: {first} ({left} left) "
    if asked.answer_id == before:
        return prompt
    rule = "─" * 72
    return (
        f"{rule}\nQuestion   {asked.question}\nReference  {asked.reference}\n\n"
        f"Answer     {asked.answer}\n\n{prompt}"
    )


def _wanted(read_key: Callable[[], str]) -> str:
    """The next key that means something."""
    while True:
        try:
            key = read_key()
        except (EOFError, KeyboardInterrupt):
            return STOP
        key = key.strip().lower()[:1] if key.strip() else ""
        if key and key in f"{_GRADES}{SKIP}{BACK}{STOP}":
            return key
        if key == "":
            return STOP
