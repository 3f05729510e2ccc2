"""The folder of questions that are being made: every try with what became of it, and the questions
that were kept, as a study reads them.

`tries.jsonl` has one line for each try, written when it is over, so that nothing is made twice.
`questions.jsonl` is made from it, and from what people said of the questions (`reviews.json`).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from scipy.cluster.hierarchy import DisjointSet

from rag_study.common import files, secrets
from rag_study.common.errors import StudyError
from rag_study.data.schema import REVIEWED, WRITTEN_BY, Question

QUESTIONS, TRIES, REVIEWS, SETTINGS = (
    "questions.jsonl",
    "tries.jsonl",
    "reviews.json",
    "settings.json",
)
STRUCK_OUT, MENDED, FINE = "struck_out", "mended", "fine"


class Store:
    """Everything that is known of questions in the making. One process at a time writes to it: use
    it as a context manager. Raises StudyError where another does, or the folder is not of this."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tries: list[dict[str, Any]] = []
        self._lock = FileLock(folder / ".lock")
        self._begun: set[str] = set()

    def __enter__(self) -> Store:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StudyError(
                f"{self.folder}: another process makes questions there. Wait for it, or stop it."
            ) from None
        self.tries = self._read()
        self._begun = {row["name"] for row in self.tries}
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def settle(self, *, documents: str, model: str) -> None:
        """Keep what the questions are made from; raises StudyError where others were made of
        something else."""
        settings = {"documents": documents, "model": model}
        file = self.folder / SETTINGS
        if file.exists():
            before = files.read_json(file)
            if before["documents"] != settings["documents"]:
                raise StudyError(
                    f"{self.folder} holds questions of other documents, or these have changed "
                    "since. Name another folder with --out."
                )
            if before["model"] != settings["model"]:
                raise StudyError(
                    f"{self.folder} holds questions of another model ({before['model']}, now "
                    f"{settings['model']}). Name another folder with --out."
                )
        files.write_json(file, settings)

    def was_tried(self, name: str) -> bool:
        return name in self._begun

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep what became of tries, at once."""
        with (self.folder / TRIES).open("a", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(secrets.hidden(row), ensure_ascii=False) + "\n")
        self.tries += map(dict, rows)
        self._begun |= {row["name"] for row in rows}

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The tries that gave a question."""
        return [row for row in self.tries if not row["reason"]]

    @property
    def standing(self) -> list[dict[str, Any]]:
        """Of these all that no person has struck out."""
        reviews = self.reviews()
        return [
            row
            for row in self.kept
            if reviews.get(row["question"]["id"], {}).get("verdict") != STRUCK_OUT
        ]

    def reviews(self) -> dict[str, dict[str, str]]:
        """What people said, by question id: `verdict`, and of mended ones `question`, `answer`."""
        file = self.folder / REVIEWS
        return files.read_json(file) if file.exists() else {}

    def review(self, said: Mapping[str, Mapping[str, str]]) -> None:
        """Add what people said to what is known, and write the questions anew."""
        files.write_json(self.folder / REVIEWS, {**self.reviews(), **said})
        self.write()

    def write(self) -> int:
        """Write the questions as a study reads them; returns how many there are."""
        reviews = self.reviews()
        rows = [row for row in self.kept if row["question"]["id"] in reviews]
        counts = Counter(reviews[row["question"]["id"]]["verdict"] for row in rows)
        reviewed = {"read": len(rows), STRUCK_OUT: counts[STRUCK_OUT], MENDED: counts[MENDED]}
        groups = joined_groups(row["groups"] for row in self.kept)
        written = []
        for row in self.standing:
            question = mended(row["question"], reviews.get(row["question"]["id"], {}))
            if question["answer_type"] == "unanswerable":
                question |= {"answers": [], "reference": ""}  # how it is said is the reader's
            written.append(
                {
                    **question,
                    "group": groups[row["groups"][0]],
                    WRITTEN_BY: row["model"],
                    "written_as": row["kind"],
                    "written_from": row["passages"],
                    REVIEWED: reviewed,
                }
            )
        files.write_jsonl(self.folder / QUESTIONS, written)
        return len(written)

    def _read(self) -> list[dict[str, Any]]:
        """The tries; a line that a killed process left half is tried again."""
        file = self.folder / TRIES
        if not file.exists():
            return []
        lines = file.read_text(encoding="utf-8").split("\n")
        rows, whole = [], []
        for number, line in enumerate(lines, start=1):
            try:
                if line:
                    rows.append(json.loads(line))
                    whole.append(line)
            except ValueError:
                if number < len(lines):
                    raise StudyError(
                        f"{file}, line {number}: is damaged. Delete the line; its question is "
                        "made again."
                    ) from None
        if lines[-1]:  # also a whole one without its end: the next would stand on the same line
            files.write_text(file, "".join(f"{line}\n" for line in whole))
        return rows


def joined_groups(together: Iterable[Sequence[str]]) -> dict[str, str]:
    """The group of each group: questions about documents of two tie them together."""
    sets = DisjointSet()
    for groups in together:
        for group in groups:
            sets.add(group)
            sets.merge(groups[0], group)
    return {group: min(members) for members in sets.subsets() for group in members}


def mended(question: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """A question's row with what a person wrote in the place of its wording or answer. The parts of
    a list, and the key points of a summary, are divided by semicolons in `points`."""
    row = dict(question)
    if said.get("question"):
        row["question"] = said["question"]
    if said.get("answer") and row["answer_type"] != "unanswerable":
        row["answers" if row["answers"] else "reference"] = said["answer"]
        row["answers"] = [row["answers"]] if isinstance(row["answers"], str) else row["answers"]
        row.pop("rewording", None)
        if row["answers"]:
            row["reference"] = said["answer"]
        parts = [part.strip() for part in said["answer"].split(";") if part.strip()]
        if row["answer_type"] == "list":
            row["answers"] = [", ".join(parts)]
            row["reference"] = row["answers"][0]
            row["key_points"] = [[part] for part in parts]
    if said.get("points"):
        points = [part.strip() for part in said["points"].split(";") if part.strip()]
        row["key_points"] = [[part] for part in points]
    return row


def row_of(question: Question) -> dict[str, Any]:
    """A question as `tries.jsonl` and a study's file have it."""
    row = dataclasses.asdict(question)
    return {key: value for key, value in row.items() if value not in (None, {})}
