"""Results on their way between machines: one compressed archive with the runs of a study.

Run ids say what a result depends on, so a run is the same run wherever it was made.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from rag_study.common import checksums, files, run_folder, unpacking
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import CLAIM_FILE, LOCK_FILE, STATUS_FILE, RunFolder, Status
from rag_study.study import answer_tags, stages, study_tables
from rag_study.study.running import verification
from rag_study.study.stages import StageRun

_RUN = re.compile(r"runs/[a-z_]+/[a-z0-9-]+-[0-9a-f]{8}")
_STUDY = re.compile(r"[a-z0-9][a-z0-9-]*")


def pack(runs: Sequence[StageRun], target: Path) -> tuple[int, int]:
    """Write the finished ones of a study's runs, and the study's own folder, to a .tar.gz.

    Returns (runs written, runs left out because they are not done). The same results give the
    same bytes. Raises StudyError when nothing is done, a file is damaged or the target exists.
    """
    if target.exists():
        raise StudyError(f"{target}: exists already; name another file or delete it.")
    done = [run for run in runs if stages.is_done(run)]
    if not done:
        raise StudyError("no run of this study is done, so there is nothing to export.")
    if damages := verification.look_at(done).damages:
        what, what_to_do = damages[0]
        raise StudyError(f"{what}; nothing was exported.\n{what_to_do}")
    folders = [RunFolder(run.run_id).path for run in done]
    folders += [run_folder.study_dir(run.slug) for run in runs if run.is_comparison]

    def write(name: str) -> None:
        # Not tarfile's own "w:gz": it writes name and time of day into the file.
        with (
            open(name, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            for file in sorted(file for folder in folders for file in _kept(folder)):
                member = archive.gettarinfo(file, str(file.relative_to(run_folder.outputs_dir())))
                member.mtime = member.uid = member.gid = 0
                member.uname = member.gname = ""
                with file.open("rb") as content:
                    archive.addfile(member, content)

    files.write_with(target, write)
    return len(done), len(runs) - len(done)


def unpack(source: Path) -> tuple[list[str], list[str]]:
    """Put the runs of an archive into the outputs folder; (ids brought, ids there already).

    A run that is done here already stays as it is, and one that is being worked on too; a study's
    tables come with its comparison, but labels of people that are here already stay, and to tags of
    people those of the archive are added. Nothing is written before every member of the archive is
    found to be harmless: an ordinary file or folder, inside a run's or a study's folder, and all of
    them not out of proportion to the archive. Raises StudyError otherwise, and where tables of a
    finished study would be replaced by fewer of an unfinished one.
    """
    outputs = run_folder.outputs_dir()
    if source.is_dir():
        raise StudyError(f"{source}: is a folder; name the file that `rag-study export` wrote.")
    try:
        with unpacking.open_tar(source) as (archive, members):
            tops = {_place(source, member) for member in members}
            needed = sum(member.size for member in members)
            outputs.mkdir(parents=True, exist_ok=True)
            if needed > shutil.disk_usage(outputs).free:
                raise StudyError(f"{source}: holds {needed:,} bytes, more than is free.")
            with tempfile.TemporaryDirectory(dir=outputs, prefix=".import-") as staging:
                archive.extractall(staging, filter="data")
                return _move_in(source, Path(staging), sorted(tops))
    except FileNotFoundError:
        raise StudyError(f"{source}: there is no such file.") from None
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise StudyError(
            f"{source}: one name is a file and a folder ({error}); nothing was imported."
        ) from None
    except (*unpacking.DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.filename != str(source) and error.errno:
            raise
        raise StudyError(f"{source}: is no whole archive of results ({error}).") from None


def _place(source: Path, member: tarfile.TarInfo) -> str:
    """The run's or study's folder that a member lies in. Raises StudyError for anything else."""
    path = PurePosixPath(member.name)
    top = "/".join(path.parts[: 3 if path.parts[:1] == ("runs",) else 1])
    problem = None
    if not (member.isreg() or member.isdir()) or member.issparse():
        problem = "is neither a file nor a folder"
    elif path.is_absolute() or ".." in path.parts or "\\" in member.name:
        problem = "leads out of the outputs folder"
    elif top == "runs" or not (_RUN if top.startswith("runs/") else _STUDY).fullmatch(top):
        problem = "is not part of a run or a study"
    elif path.name in (LOCK_FILE, CLAIM_FILE):
        problem = "is a lock"
    if problem:
        raise StudyError(f"{source}: '{member.name}' {problem}; nothing was imported.")
    return top


def _move_in(source: Path, staging: Path, tops: list[str]) -> tuple[list[str], list[str]]:
    brought, there = [], []
    runs = [top.removeprefix("runs/") for top in tops if top.startswith("runs/")]
    for run_id in runs:
        if not _says_done(staging / "runs" / run_id / STATUS_FILE):
            raise StudyError(f"{source}: the run {run_id} is not done; nothing was imported.")
    records = itertools.product(tops, study_tables.RECORDS)
    damages = [one for top, name in records for one in checksums.damages(staging / top, name)]
    if damages:
        raise StudyError(
            f"{source}: {damages[0].path.relative_to(staging)} in it: {damages[0].what}; nothing "
            "was imported. Have the study exported again."
        )
    states = {run_id: RunFolder(run_id).status().state for run_id in runs}
    there = [run_id for run_id in runs if states[run_id] in ("done", "running")]
    brought = [run_id for run_id in runs if run_id not in there]
    # Tables belong to their comparison: those of one that was made here stay with it.
    compared = {run_id.removeprefix("compare/")[: -len("-01234567")] for run_id in brought}
    tables = [top for top in tops if not top.startswith("runs/") and top in compared]
    for top in tables:
        if known := checksums.recorded(staging / top):
            about = (known[name] for name in ("made_by", "answers", "missing"))
            study_tables.refuse_less(run_folder.study_dir(top), *about)
    tagged = [top for top in tops if (staging / top / answer_tags.FILE).is_file()]
    for top in tagged:
        answer_tags.read(run_folder.study_dir(top))
        try:
            answer_tags.read(staging / top)
        except StudyError as error:
            inside = str(error).replace(f"{staging}/", "")
            raise StudyError(f"{source}: {inside} Nothing was imported.") from None
    for run_id in brought:
        folder = RunFolder(run_id)
        claim = folder.claim()
        try:
            folder.clear()
            # The status last: whoever looks meanwhile does not see a run that is done.
            moved = sorted((staging / "runs" / run_id).iterdir(), key=_is_status)
            for item in moved:
                os.replace(item, folder.path / item.name)
        finally:
            claim.release(force=True)
    for top in tables:
        _move_tables(staging / top, run_folder.study_dir(top))
    for top in tagged:
        # Also where the tables are there already: tags of others are about the same answers.
        answer_tags.merge(run_folder.study_dir(top), staging / top / answer_tags.FILE)
    return brought, there


def _move_tables(new: Path, folder: Path) -> None:
    """Bring a study's tables; labels of people that are here already stay."""
    with study_tables.replacing(folder):
        names = [str(item.relative_to(new)) for item in sorted(new.rglob("*")) if item.is_file()]
        here = [str(item.relative_to(folder)) for item in folder.rglob("*")]
        keeps = any(study_tables.is_of_people(name) for name in here)
        for name in names:
            if name in (answer_tags.FILE, answer_tags.HISTORY):
                continue
            if not (keeps and study_tables.is_of_people(name)):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(new / name, folder / name)


def _says_done(file: Path) -> bool:
    try:
        return Status.read(file).state == "done"
    except (OSError, ValueError, TypeError):
        return False


def _is_status(path: Path) -> bool:
    return path.name == STATUS_FILE


def _kept(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        private = path.name in (LOCK_FILE, CLAIM_FILE)
        private |= any(files.is_leftover(parent) for parent in (inside, *inside.parents))
        if path.is_file() and not path.is_symlink() and not private:
            yield path
