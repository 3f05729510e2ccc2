"""What is in the outputs folder that no study needs any more."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml.error import YAMLError

from rag_study.common import files, run_folder, run_users
from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.common.run_folder import RunFolder
from rag_study.study import differences, plan, stages, study_tables
from rag_study.study.merge import load_studies
from rag_study.study.stages import StageRun


@dataclass(frozen=True)
class Leftover:
    """A folder or file that may go: its path, its size in bytes, and why."""

    path: Path
    size: int
    reason: str


class Found(NamedTuple):
    """What may go; the runs that stay though notebooks, package or machine have changed so that
    they would not be reused; and a sentence for each study that has its tables here, but its file
    no longer where it was: what it needs is not known, and may be among what may go."""

    leftovers: list[Leftover]
    outdated: list[Leftover]
    lost: list[str]


def find(study_files: Iterable[Path]) -> Found:
    """Runs that none of these studies asks for, nor any other that was compared here and whose
    study file is still there; and what killed processes left behind in the others.

    A study asks for a run by its parameters and data: whoever edits a notebook or installs another
    version of the package loses nothing. A run that is being worked on, or that somebody uses
    (`run_users`), is never among them. Raises StudyError when a study file cannot be used: what it
    needs would be taken for left over.
    """
    runs = [run for file in known_studies(study_files) for run in _needed_by(file)]
    runs += [plan.comparison(load_studies(shared)) for shared in _compared() if len(shared) > 1]
    needed = {run.run_id: run for run in runs}
    places: dict[str, list[StageRun]] = defaultdict(list)
    for run in needed.values():
        places[run.place].append(run)
    leftovers, outdated, used = [], [], run_users.users()
    for path in sorted((run_folder.outputs_dir() / "runs").glob("*/*")):
        folder = RunFolder(_run_id(path))
        if folder.is_locked() or folder.run_id in used:
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
    known = {run.slug for run in runs if run.is_comparison}
    return Found(leftovers, outdated, list(_lost(known)))


def remove(leftovers: Iterable[Leftover]) -> None:
    """Delete them; a run that somebody has begun to work on or to use meanwhile stays."""
    with run_users.undisturbed(()):
        used = run_users.users()
        _remove(leftover for leftover in leftovers if _run_id(leftover.path) not in used)


def _run_id(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _remove(leftovers: Iterable[Leftover]) -> None:
    for leftover in leftovers:
        if not leftover.path.is_dir():
            leftover.path.unlink(missing_ok=True)
        elif leftover.path.parent.parent.name == "runs":
            folder = RunFolder(_run_id(leftover.path))
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


def announce(comparison: StageRun) -> None:
    """Have it known, before its runs begin, that a study is here: also one that is never compared
    keeps its runs."""
    parameters = RunFolder(comparison.run_id).path / "params.yaml"
    if not parameters.exists():
        files.write_yaml(parameters, comparison.parameters)


def _lost(known: Container[str]) -> Iterator[str]:
    for run_id, named in _study_files():
        name = stages.place_of(run_id).partition("/")[2]
        gone = [file for file in named if not file.exists()]
        if gone and name not in known and study_tables.is_published(name, run_id):
            folder = run_folder.study_dir(name)
            yield (
                f"{folder} has the results of a study whose file {gone[0]} is not there any more. "
                "Name the file where it is now, so that its runs are kept, or delete the folder "
                "if its results are not needed."
            )


def _compared() -> list[list[Path]]:
    """The study files of every comparison in the outputs folder that are still there, several
    where the report was a common one."""
    return [named for _, named in _study_files() if all(file.exists() for file in named)]


def _study_files() -> Iterator[tuple[str, list[Path]]]:
    """The id of every comparison in the outputs folder, and where its study files were."""
    for parameters in (run_folder.outputs_dir() / "runs" / "compare").glob("*/params.yaml"):
        RunFolder(_run_id(parameters.parent)).check(quick=True)
        content = files.read_yaml(parameters)
        named = [located(file) for file in (content["study_file"], *content.get("others", []))]
        yield _run_id(parameters.parent), named


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
