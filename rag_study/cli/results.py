"""The commands about what runs have written: clean, export, import, export-adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rag_study.cli.console import Debug, StudyFile, console, line_of, size
from rag_study.common import run_folder
from rag_study.common.errors import StudyError
from rag_study.common.paths import study_file
from rag_study.common.run_folder import RunFolder
from rag_study.common.wording import counted
from rag_study.study import plan
from rag_study.study.running import archive, cleanup


def clean(
    study_files: Annotated[
        list[Path],
        typer.Argument(metavar="STUDY...", parser=study_file, help="studies whose runs are kept"),
    ],
    delete: Annotated[
        bool, typer.Option("--delete", help="really delete; without it they are only shown")
    ] = False,
    debug: Debug = False,
) -> None:
    """Show, or delete, the runs that no study needs any more.

    Kept is what the studies named here ask for, those in the same folders, and every study that was
    compared in this outputs folder and whose file is still where it was. Runs that they ask for are
    kept also where notebooks or the package have changed since.
    """
    leftovers, outdated, lost = cleanup.find(study_files)
    if lost and delete:
        raise StudyError(f"{lost[0]}\nNothing has been deleted.")
    for leftover in leftovers:
        shown = leftover.path.relative_to(run_folder.outputs_dir())
        line = line_of(f"{size(leftover.size):>10}  {shown}  ", (leftover.reason, "dim"))
        console.say(line, 12)
    total = size(sum(leftover.size for leftover in leftovers))
    if not leftovers:
        console.print("Nothing to clean: some study asks for everything that is there.")
    elif delete:
        cleanup.remove(leftovers)
        console.print(f"{len(leftovers)} deleted, {total}.")
    else:
        console.print(f"{len(leftovers)} are not needed, {total}. --delete deletes them.")
    for sentence in lost:
        console.say(sentence, style="yellow")
    if outdated:
        kept = size(sum(leftover.size for leftover in outdated))
        count = f"{counted(len(outdated), 'run')} ({kept}) {'is' if len(outdated) == 1 else 'are'}"
        console.say(
            f"{count} kept though notebooks, the package or the machine have changed since: by "
            "parameters and data a study asks for them."
        )


def export_results(
    study_file: StudyFile,
    target: Annotated[Path, typer.Argument(metavar="FILE.tar.gz", help="a new file")],
    debug: Debug = False,
) -> None:
    """Write the finished runs of a study and its tables to one file, for another machine."""
    written, left_out = archive.pack(plan.expand(study_file), target)
    missing = f"; {counted(left_out, 'run')} not done and left out" if left_out else ""
    console.print(
        f"{target}: {counted(written, 'run')}, {size(target.stat().st_size)}{missing}",
        soft_wrap=True,
    )


def import_results(
    source: Annotated[Path, typer.Argument(metavar="FILE.tar.gz", help="written by export")],
    debug: Debug = False,
) -> None:
    """Take over the runs of an exported study; what is done here already stays as it is."""
    run_folder.check_writable()
    brought, there = archive.unpack(source)
    console.print(f"{counted(len(brought), 'run')} imported, {len(there)} there already.")


def export_adapter(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="a fine_tune run's id")],
    target: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
    merge: Annotated[bool, typer.Option("--merge", help="the whole model, merged")] = False,
    debug: Debug = False,
) -> None:
    """Write a trained adapter (or merged model) with a model card, for PEFT, transformers, vLLM."""
    from rag_study.report import export_adapter as export

    run_id = run_id.removeprefix(f"{run_folder.outputs_dir() / 'runs'}/").strip("/")
    folder = RunFolder(run_id).path
    if not folder.exists():
        trained = sorted((run_folder.outputs_dir() / "runs" / "fine_tune").glob("*"))
        names = "\n".join(f"  fine_tune/{path.name}" for path in trained) or "  (none)"
        raise StudyError(f"there is no run '{run_id}'. Trained so far:\n{names}")
    RunFolder(run_id).check()
    written = export.export_adapter(folder, target, merge, export.findings_of(run_id))
    console.print(f"{written}: {'model' if merge else 'adapter'} and README.md", soft_wrap=True)
