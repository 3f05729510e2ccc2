"""What is in the outputs folder that no study needs any more."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml.error import YAMLError

from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.common.run_folder import RunFolder
from rag_study.study import differences, plan, stages
from rag_study.study.merge import load_studies
from rag_study.study.stages import StageRun


@dataclass(frozen=True)
class Leftover:
    """A folder or file that may go: its path, its size in bytes, and why."""

    path: Path
    size: int
    reason: str


class Found(NamedTuple):
    """What may go; and the runs that stay though notebooks, package or machine have changed so
    that they would not be reused."""

    leftovers: list[Leftover]
    outdated: list[Leftover]


def find(study_files: Iterable[Path]) -> Found:
    """Runs that none of these studies asks for, nor any other that was compared here and whose
    study file is still there; and what killed processes left behind in the others.

    A study asks for a run by its parameters and data: whoever edits a notebook or installs another
    version of the package loses nothing. A run that is being worked on is never among them. Raises
    StudyError when a study file cannot be used: what it needs would be taken for left over.
    """
    runs = [run for file in known_studies(study_files) for run in _needed_by(file)]
    runs += [plan.comparison(load_studies(shared)) for shared in _compared() if len(shared) > 1]
    needed = {run.run_id: run for run in runs}
    places: dict[str, list[StageRun]] = defaultdict(list)
    for run in needed.values():
        places[run.place].append(run)
    leftovers, outdated = [], []
    for path in sorted((run_folder.outputs_dir() / "runs").glob("*/*")):
        folder = RunFolder(f"{path.parent.name}/{path.name}")
        if folder.is_locked():
            continue
        if folder.run_id not in needed:
            same_place = places[stages.place_of(folder.run_id)]
            if any(differences.is_asked_for(folder.run_id, run) for run in same_place):
                outdated.append(
                    Leftover(path, _size(path), "its notebook or the package has changed")
                )
            else:
                leftovers.append(Leftover(path, _size(path), "no study needs it"))
            continue
        for file in path.rglob("*"):
            if files.is_leftover(file):
                leftovers.append(Leftover(file, _size(file), "half-written"))
    for path in run_folder.outputs_dir().glob(".import-*"):
        leftovers.append(Leftover(path, _size(path), "an import that was stopped"))
    return Found(leftovers, outdated)


def remove(leftovers: Iterable[Leftover]) -> None:
    """Delete them; a run that somebody has begun to work on meanwhile stays."""
    for leftover in leftovers:
        if not leftover.path.is_dir():
            leftover.path.unlink(missing_ok=True)
        elif leftover.path.parent.parent.name == "runs":
            folder = RunFolder(f"{leftover.path.parent.name}/{leftover.path.name}")
            if not folder.is_locked():
                folder.clear()
                shutil.rmtree(folder.path)
        else:
            shutil.rmtree(leftover.path)


def known_studies(study_files: Iterable[Path]) -> list[Path]:
    """The study files given, those beside them, and those of comparisons in the outputs folder."""
    named = [Path(file) for file in study_files]
    studies = {located(file).resolve(): file for file in named}
    for folder in {file.parent for file in studies}:
        studies.update((file, file) for file in sorted(folder.glob("*.yaml")) if _is_study(file))
    for file in (file for compared in _compared() for file in compared):
        studies.setdefault(file.resolve(), file)
    return list(studies.values())


def _compared() -> list[list[Path]]:
    """The study files of every comparison in the outputs folder that are still there, several
    where the report was a common one."""
    comparisons = []
    for parameters in (run_folder.outputs_dir() / "runs" / "compare").glob("*/params.yaml"):
        content = files.read_yaml(parameters)
        named = [located(file) for file in (content["study_file"], *content.get("others", []))]
        if all(file.exists() for file in named):
            comparisons.append(named)
    return comparisons


def _needed_by(file: Path) -> list[StageRun]:
    try:
        return plan.expand(file)
    except StudyError as error:
        raise StudyError(
            f"What {file} needs is not known, so nothing is cleaned. Repair, move or delete it.\n"
            f"{error}"
        ) from None


def _is_study(file: Path) -> bool:
    """Whether a file beside a study is one, too: also a broken one, which then says so."""
    try:
        content = files.read_yaml(file)
    except (OSError, ValueError, YAMLError):
        return True
    return isinstance(content, dict) and {"name", "models", "datasets"} <= set(content)


def _size(path: Path) -> int:
    inside = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in inside if file.is_file())
