"""How many questions each model state is asked now, in a study that stops when all is settled.

A study that declares `looks` may be run in steps (`rag-study run --until-settled`). What the
present step asks for is kept in the study's folder, so that every command means the same runs, and
a step that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Mapping

from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.study.config import StudyConfig

ASKED_FILE = "asked.json"
# Ids of the runs that answer -> test questions.
Asked = Mapping[str, int]


def asked_now(study: StudyConfig) -> Asked | None:
    """What the present step asks for; None where the study is not run in steps, and asks for all.
    Raises StudyError where the record is damaged."""
    file = run_folder.study_dir(study.name) / ASKED_FILE
    if not study.looks or not file.exists():
        return None
    try:
        record = files.read_json(file)
        if record["looks"] != study.looks:  # others are declared now: nothing is known of them
            return None
        return {run_id: int(size) for run_id, size in record["asked"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StudyError(
            f"{file}: cannot be read; the file was damaged from outside.\nDelete it, and run the "
            "study again with --until-settled: what is answered stays."
        ) from None


def ask(study: StudyConfig, asked: Asked | None) -> None:
    """Keep what the next step asks for; None: all questions of all states."""
    folder = run_folder.study_dir(study.name)
    if asked is None:
        (folder / ASKED_FILE).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / ASKED_FILE, {"looks": study.looks, "asked": dict(asked)})


def size_of(study: StudyConfig, asked: Asked, answering_id: str) -> int:
    """The questions that a state is asked: at first those of the first look."""
    return asked.get(answering_id, study.looks[0])
