"""The commands to begin with: `demo` runs a whole study, `lab` opens the notebooks."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rag_study.cli import study
from rag_study.cli.console import Debug, console
from rag_study.common import files, paths, run_folder
from rag_study.common.errors import StudyError
from rag_study.common.version import __version__
from rag_study.study import beginning

# In a copy's metadata: the package's version and the hash of what was copied.
_COPY_OF = "rag_study"


def demo(debug: Debug = False) -> None:
    """Run the demo study: about 7 minutes on two cores, results in outputs/demo."""
    study.run(paths.study_file("demo"))


def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="what you have: a table of questions, and documents"),
    ],
    name: Annotated[str, typer.Option(help="of the study; left out: the folder's")] = "",
    questions: Annotated[
        Path | None, typer.Option(help="the file with questions, where several might be")
    ] = None,
    documents: Annotated[
        Path | None, typer.Option(help="folder or file with documents, where they are elsewhere")
    ] = None,
    model: Annotated[str, typer.Option(help="left out: the small one that comes along")] = "",
    force: Annotated[bool, typer.Option("--force", help="replace a study file")] = False,
    debug: Debug = False,
) -> None:
    """Look at your data and write a study file for it, `params/NAME.yaml` in this folder.

    Questions with answers may be in CSV, Excel, JSON, JSON lines or Parquet; documents in PDF,
    Word, PowerPoint, HTML, Markdown and text files, in a table, or beside the questions.
    """
    begun = beginning.begin(
        folder, Path("params"), name=name, questions=questions, documents=documents, model=model
    )
    if begun.path.exists() and not force:
        raise StudyError(
            f"{begun.path}: is there already. Take another --name, or --force to replace it."
        )
    for note in begun.notes:
        console.say(note)
    console.print()
    for what, how_many in begun.summary:
        console.say(f"{what}: {how_many}", 2)
    files.write_text(begun.path, begun.text)
    console.print(f"\nWritten: {begun.path}", markup=False, soft_wrap=True)
    if begun.problem:
        console.say(f"It cannot run yet: {begun.problem}", style="yellow")
        return
    for command, purpose in (
        ("check", "whether it can answer, before anything is computed"),
        ("plan", "every run; with --cost: tokens and hours"),
        ("run", "the study, up to the report"),
    ):
        line = f"  rag-study {command:5} {begun.path}"
        console.print(f"{line}   # {purpose}", markup=False, highlight=False, soft_wrap=True)


def lab(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="of JupyterLab  [8888, or the next]")] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="open it in a browser")
    ] = True,
    debug: Debug = False,
) -> None:
    """Open the notebooks in JupyterLab, with 00_explore on the newest study.

    Without a checkout they are copied to ./notebooks first. Edit the copies as you like: studies
    that run in this folder use them. Further options go to `jupyter lab`.
    """
    run_folder.check_writable()
    folder = paths.working_dir().resolve()
    for name in copy_notebooks():
        console.say(
            f"notebooks/{name} is an edited copy of another version of rag-study and stays as it "
            "is; delete it to have the one of this version."
        )
    options = [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/notebooks/{paths.EXPLORE}.ipynb",
        *([f"--port={port}"] if port else []),
        *([] if browser else ["--no-browser"]),
        *(["--allow-root"] if os.geteuid() == 0 else []),
        *context.args,
    ]
    # A kernel of the same name in the user's home must not replace this environment's own.
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    os.chdir(folder)
    # It takes this process's place, so that Ctrl-C is asked about by JupyterLab alone.
    command = [sys.executable, "-m", "jupyterlab", *options]
    os.execve(sys.executable, command, environment)


def copy_notebooks() -> list[str]:
    """Copy the package's notebooks to where people may edit them, unless that is where they are.

    Copies that nobody has edited follow the package when it is upgraded. Returns the names of
    edited ones that were made from another version of the notebook.
    """
    source, target = paths.notebooks_dir(), paths.own_notebooks_dir()
    outdated: list[str] = []
    if target.exists() and target.samefile(source):
        return outdated
    target.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(source.glob("*.ipynb")):
        book, copy = _read(notebook), target / notebook.name
        current = _hash(book)
        if copy.exists():
            there = _read(copy)
            copied = there["metadata"].get(_COPY_OF, {}).get("hash")
            if _hash(there) == current:
                continue
            if _hash(there) != copied:  # somebody's work is in it
                outdated += [copy.name] if copied != current else []
                continue
        book["metadata"][_COPY_OF] = {"version": __version__, "hash": current}
        copy.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return outdated


def _read(notebook: Path) -> dict[str, Any]:
    try:
        book = json.loads(notebook.read_text(encoding="utf-8"))
        return {**book, "cells": list(book["cells"]), "metadata": dict(book["metadata"])}
    except (ValueError, KeyError, TypeError):
        raise StudyError(
            f"{notebook}: this is no notebook. Move or delete it to have the package's own."
        ) from None


def _hash(book: dict[str, Any]) -> str:
    """Over what people write: outputs, empty cells and what JupyterLab notes do not count."""
    cells = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in book["cells"]]
    written = [cell for cell in cells if cell[1]]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()[:16]
