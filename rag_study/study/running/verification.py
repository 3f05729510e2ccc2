"""Whether what the finished runs of a study wrote is still what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from rag_study.common import checksums, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.study import study_tables
from rag_study.study.stages import StageRun


class Looked(NamedTuple):
    """What a look at runs has found: `damages`, each with what to do about it, how many finished
    runs were looked at, and the ids of those that kept no checksums."""

    damages: list[tuple[str, str]]
    runs: int
    unsealed: list[str]


def look_at(runs: Sequence[StageRun], *, quick: bool = False) -> Looked:
    """Compare the files of all finished runs, and of their studies' folders, with the checksums on
    record. Every byte is read; `quick` trusts size and times of files that were looked at before,
    and leaves out what no stage reads. Runs that somebody works on now are left out."""
    with ThreadPoolExecutor(checksums.THREADS) as pool:
        looks = list(pool.map(lambda run: _look_at(run, quick), runs))
    return Looked(
        [damage for look in looks for damage in look.damages],
        sum(look.runs for look in looks),
        [run_id for look in looks for run_id in look.unsealed],
    )


def check(runs: Sequence[StageRun]) -> None:
    """Raise StudyError where a finished run is damaged, before anything is built on it."""
    found = look_at([run for run in runs if not run.is_comparison], quick=True).damages
    if found:
        damage, what_to_do = found[0]
        rest = f" (and {len(found) - 1} more, which `rag-study verify` names)"
        more = rest if len(found) > 1 else ""
        raise StudyError(f"{damage}{more}; damaged or changed from outside.\n{what_to_do}")


def _look_at(run: StageRun, quick: bool) -> Looked:
    folder = RunFolder(run.run_id)
    tables = []
    if run.is_comparison:
        place = run_folder.study_dir(run.slug)
        found = study_tables.damages(place, quick=quick)
        tables = [(str(damage), study_tables.remedy(place, damage)) for damage in found]
    try:
        status = folder.status()
    except StudyError as error:
        what, _, what_to_do = str(error).partition("\n")
        return Looked([(what, what_to_do), *tables], 1, [])
    if status.state != "done" or folder.is_locked():
        return Looked(tables, 0, [])
    found = folder.damages(run_folder.is_read if quick else lambda name: True, quick=quick)
    damages = [(str(damage), _what_to_do(folder, damage)) for damage in found]
    return Looked([*damages, *tables], 1, [] if status.sealed else [run.run_id])


def _what_to_do(folder: RunFolder, damage: checksums.Damage) -> str:
    if run_folder.is_read(damage.path.relative_to(folder.path).as_posix()):
        return folder.remedy
    return f"No result depends on this file. Only if you want it as it was: {folder.remedy}"
