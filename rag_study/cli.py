"""`rag-study plan | run | status | report | label PARAMS.yaml`, and `export-adapter RUN DIR`.

Exit status: 0 when everything asked for is done, 1 when a run failed or is missing, 2 for input
that cannot be used (one message, nothing written).
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from rag_study import cli_label, grid, runner, store
from rag_study.config import load_study
from rag_study.errors import StudyError
from rag_study.grid import StageRun
from rag_study.provenance import package_hash
from rag_study.store import RunFolder, Status

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Should the model in a RAG system be fine-tuned? One YAML file is one study.",
)
# Piped output is not a screen of 80 columns: ids and tables keep their lines whole.
console = Console(width=None if sys.stdout.isatty() else 110)
COLOURS = {
    "done": "green",
    "reuse": "green",
    "running": "cyan",
    "failed": "red",
    "killed": "red",
    "blocked": "yellow",
}

StudyFile = Annotated[Path, typer.Argument(metavar="PARAMS.yaml", help="the study file")]
Only = Annotated[
    str | None, typer.Option("--only", metavar="STAGE", help="this stage alone, e.g. fine_tune")
]
# Read in `main`, where errors are shown; the commands only make it known.
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


@app.command()
def plan(
    study_file: StudyFile,
    only: Only = None,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
    debug: Debug = False,
) -> None:
    """Show every stage run: its id, and whether it would be reused, run, or is blocked."""
    rows = _planned(_chosen(grid.expand(study_file), only))
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        _print_line(row["action"], row["run_id"], row["note"])
    counts = {a: sum(r["action"] == a for r in rows) for a in ("reuse", "run", "blocked")}
    console.print(f"{len(rows)} stage runs: " + ", ".join(f"{n} {a}" for a, n in counts.items()))


@app.command()
def run(
    study_file: StudyFile,
    only: Only = None,
    force: Annotated[bool, typer.Option("--force", help="do again what is done")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="go on after a failure; compare what there is")
    ] = False,
    debug: Debug = False,
) -> None:
    """Run what is not done yet, then print the effects and where the report is."""
    runs = grid.expand(study_file)
    chosen = _chosen(runs, only)
    progress = _execute(chosen, force=force, keep_going=keep_going)
    _show_result(runs[-1], progress, load_study(study_file).notes)
    if not all(store.is_done(one) for one in chosen):
        raise typer.Exit(1)


@app.command()
def status(study_file: StudyFile, debug: Debug = False) -> None:
    """Show what is done, failed and missing."""
    runs = grid.expand(study_file)
    done = 0
    for one in runs:
        current = RunFolder(one.run_id).status()
        finished = store.is_done(one)
        done += finished
        state = current.state
        if state == "done" and not finished:
            state = "incomplete"
        seconds = current.finished - current.started
        spent = _clock(seconds) if current.state == "done" else ""
        _print_line(state, one.run_id, spent or _first_line(current.message))
    console.print(f"{done} of {len(runs)} stage runs are done.")
    if done < len(runs):
        raise typer.Exit(1)


@app.command()
def report(study_file: StudyFile, debug: Debug = False) -> None:
    """Build tables, figures and report again from the runs that are done."""
    runs = grid.expand(study_file)
    comparison = runs[-1]
    if not any(store.is_done(needed) for needed in comparison.upstream):
        raise StudyError(
            f"{study_file}: no run of this study is done, so there is nothing to report.\n"
            f"Run it first:  rag-study run {study_file}"
        )
    progress = _execute([comparison], force=True, keep_going=True)
    _show_result(comparison, progress, load_study(study_file).notes)
    if progress.count("done") == 0:
        raise typer.Exit(1)


@app.command("export-adapter")
def export_adapter(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="a fine_tune run's id")],
    target: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
    merge: Annotated[bool, typer.Option("--merge", help="the whole model, merged")] = False,
    debug: Debug = False,
) -> None:
    """Write a trained adapter (or merged model) with a model card, for PEFT, transformers, vLLM."""
    from rag_study import export

    run_id = run_id.removeprefix(f"{store.outputs_dir() / 'runs'}/").strip("/")
    folder = RunFolder(run_id).path
    if not folder.exists():
        trained = sorted((store.outputs_dir() / "runs" / "fine_tune").glob("*"))
        names = "\n".join(f"  fine_tune/{path.name}" for path in trained) or "  (none)"
        raise StudyError(f"there is no run '{run_id}'. Trained so far:\n{names}")
    written = export.export_adapter(folder, target, merge, export.findings_of(run_id))
    console.print(f"{written}: {'model' if merge else 'adapter'} and README.md", soft_wrap=True)


app.command()(cli_label.label)


def main() -> None:
    """Entry point: errors meant for people become one message and exit status 2."""
    debug = "--debug" in sys.argv
    try:
        app()
    except StudyError as error:
        if debug:
            raise
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(str(error))}")
        sys.exit(2)
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or error
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(f'{where}{reason}')}")
        sys.exit(1)


def _chosen(runs: list[StageRun], only: str | None) -> list[StageRun]:
    if only is None:
        return runs
    stage = grid.find_stage(only)
    return [one for one in runs if one.stage is stage]


def _planned(runs: list[StageRun]) -> list[dict[str, Any]]:
    """What `run` would do with each run, in order."""
    will_be_done: set[str] = set()
    rows = []
    for one in runs:
        folder = RunFolder(one.run_id)
        current = folder.status()
        waiting = [
            needed.run_id
            for needed in one.upstream
            if needed.run_id not in will_be_done and not store.is_done(needed)
        ]
        action, note = "run", ""
        if store.is_done(one):
            action = "reuse"
            if current.package_hash != package_hash():
                note = "made by another version of the package; --force makes it again"
        elif waiting:
            action, note = "blocked", f"needs {', '.join(waiting)}"
        elif current.state == "done":
            note = "adds to what is done"
        elif current.state == "running":
            note = f"process {current.pid} works on it"
        elif current.state != "pending":
            note = f"{current.state} before"
        if action != "blocked":
            will_be_done.add(one.run_id)
        rows.append(
            {
                "run_id": one.run_id,
                "stage": one.stage.name,
                "action": action,
                "state": current.state,
                "note": note,
                "parameters": one.parameters,
            }
        )
    return rows


def _execute(runs: list[StageRun], *, force: bool, keep_going: bool) -> runner.Progress:
    progress = runner.Progress(total=len(runs), started=time.monotonic())

    def tell(event: str, one: StageRun, status: Status) -> None:
        if event == "started":
            if not console.is_terminal:
                console.print(f"{_elapsed(progress)} started {one.run_id}", soft_wrap=True)
        elif event == "ended":
            spent = _clock(status.finished - status.started)
            console.print(
                f"{_elapsed(progress)} {_coloured(status.state)} {one.run_id} ({spent})",
                soft_wrap=True,
            )
            if status.state != "done":
                _explain(one, status)
        elif event == "blocked":
            console.print(
                f"{_elapsed(progress)} {_coloured('blocked')} {one.run_id}: {status.message}",
                soft_wrap=True,
            )

    live = Live(
        get_renderable=lambda: _line(progress),
        console=console,
        refresh_per_second=1,
        transient=True,
    )
    try:
        with live if console.is_terminal else nullcontext():
            runner.run_all(runs, progress, force=force, keep_going=keep_going, on_event=tell)
    except KeyboardInterrupt:
        console.print(f"{_elapsed(progress)} stopped; the same command goes on from here")
        raise typer.Exit(130) from None
    console.print(
        f"{len(runs)} stage runs: {progress.count('done')} run, "
        f"{progress.count('reused')} reused, {progress.count('failed')} failed, "
        f"{progress.count('blocked')} blocked; {_elapsed(progress)}"
    )
    if progress.count("reused") == len(runs):
        console.print("Nothing to do: everything asked for is done.")
    return progress


def _show_result(comparison: StageRun, progress: runner.Progress, notes: list[str]) -> None:
    """Print the effects, the verdict, the study's own notes and where the report is, if the
    comparison was made or is still good."""
    if progress.outcomes.get(comparison.run_id) not in ("done", "reused"):
        return
    import pandas as pd

    from rag_study.tables import effects_table

    folder = store.study_dir(comparison.slug)
    console.print(effects_table(pd.read_parquet(folder / "comparisons.parquet")))
    console.print((folder / "headline.txt").read_text().strip(), soft_wrap=True)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)
    report_file = folder / "report.html"
    shown = Path(os.path.relpath(report_file))
    console.print(f"Report: {report_file if '..' in shown.parts else shown}", soft_wrap=True)


def _explain(one: StageRun, status: Status) -> None:
    folder = RunFolder(one.run_id)
    console.print(f"  {status.message}", markup=False, soft_wrap=True)
    if tail := folder.log_tail():
        console.print(Text("\n".join(f"  | {line}" for line in tail.splitlines()), style="dim"))
    console.print(f"  The notebook and the log: {folder.path}", markup=False, soft_wrap=True)


def _line(progress: runner.Progress) -> Text:
    """The live line: stage runs done, running and left, and the running one's own progress."""
    done, failed = progress.count("done", "reused"), progress.count("failed")
    text = f"{_elapsed(progress)}  {done}/{progress.total} done"
    if failed:
        text += f", {failed} failed"
    text += f", {progress.left} left"
    if progress.current:
        text += f"  ▸ {progress.current.run_id}"
        told = RunFolder(progress.current.run_id).progress()
        if told:
            text += f"  {told[0]}/{told[1]}"
    return Text(text, style="cyan", overflow="ellipsis", no_wrap=True)


def _print_line(state: str, run_id: str, note: str) -> None:
    """One line per run, never folded: ids are there to be copied."""
    tail = f"  [dim]{escape(note)}[/]" if note else ""
    console.print(f"{_coloured(state)} {run_id}{tail}", soft_wrap=True)


def _elapsed(progress: runner.Progress) -> str:
    return _clock(time.monotonic() - progress.started)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes}:{rest:02d}"


def _coloured(state: str) -> str:
    return f"[{COLOURS.get(state, 'white')}]{state:10}[/]"


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""


if __name__ == "__main__":
    main()
