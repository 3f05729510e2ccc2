"""What is shown while a study runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rag_study.cli.console import clock, coloured, console, line_of
from rag_study.cli.first_results import HEADLINE, FirstResults
from rag_study.common.run_folder import RunFolder, Status
from rag_study.common.wording import counted
from rag_study.study.running.costs import KINDS, Estimate
from rag_study.study.running.study_run import FAILURES, Progress
from rag_study.study.stages import StageRun

# Where lines about runs go on that do not fit.
_UNDER_RUNS = 2
# More running ones than this are counted, not listed.
LISTED = 12
# Of the live view: the table's head, the headline of first results and the last line, and one free.
_ROWS_BESIDE = 4
_INDENTED = {"initial_indent": "  ", "subsequent_indent": "    ", "break_on_hyphens": False}


class Teller:
    """Prints what happens to the runs of a study, as lines that stay."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self.first = FirstResults(progress)

    def __call__(self, event: str, run: StageRun, status: Status) -> None:
        if event == "reused":
            return
        if event == "started" and _is_live():
            return  # the live view has it
        if event == "started":
            words = ["started    ", run.run_id]
        elif event == "blocked":
            words = [coloured("blocked"), f" {run.run_id}: {status.message}"]
        else:
            words = [coloured(status.state), f" {run.run_id} ({clock(status.seconds)})"]
            if not _is_live() and self._progress.left:
                words.append(f"  {_left(self._progress)}")
        console.say(line_of(f"{self._elapsed()} ", *words), _UNDER_RUNS)
        if event == "ended" and status.state == "done":
            self._tell_first(run)
        if event == "ended" and status.state != "done":
            _explain(run, status)

    def _tell_first(self, run: StageRun) -> None:
        sentences, why_not = self.first.after(run)
        if not _is_live():  # the live view has them
            for sentence in sentences:
                line = f"{self._elapsed()}  so far (provisional)  {sentence}"
                console.say(line, _UNDER_RUNS)
        if why_not:
            console.say(why_not, style="dim")

    def stopped(self) -> None:
        console.print(f"{self._elapsed()} stopped; the same command goes on from here")

    def _elapsed(self) -> str:
        return clock(self._progress.elapsed)


@contextmanager
def shown(progress: Progress) -> Iterator[Teller]:
    """Show the progress until the context is left."""
    teller = Teller(progress)
    if not _is_live():
        yield teller
        return
    with Live(
        get_renderable=lambda: view(progress, [*teller.first.sentences.values()]),
        console=console,
        refresh_per_second=1,
        transient=True,
    ):
        yield teller


def _is_live() -> bool:
    """Whether lines can be written over: not in files, and not on a terminal that is `dumb`."""
    return console.is_terminal and not console.is_dumb_terminal


def view(progress: Progress, first: Sequence[str] = ()) -> Group:
    """The live view: runs by stage and state, those running now, `first` results, how far it is."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("stage")
    for name in ("done", "running", "left", "failed", "blocked"):
        table.add_column(name, justify="right")
    for stage, counts in progress.by_stage().items():
        failed = sum(counts[outcome] for outcome in FAILURES)
        numbers = {
            "done": counts["done"] + counts["reused"],
            "running": counts["running"],
            "left": counts["left"],
            "failed": failed,
            "blocked": counts["blocked"],
        }
        style = "red" if failed else "green" if numbers["done"] == counts.total() else ""
        table.add_row(stage, *(str(n) if n else "·" for n in numbers.values()), style=style)
    # The counter first: a long name may need a second line, and then stands below.
    lines = []
    for run, began in list(progress.running.values())[:LISTED]:
        done, total = RunFolder(run.run_id).progress() or (0, 0)
        items = f"{done} of {total}" if total else "beginning"
        lines.append(f"▸ {items:>12}  {clock(time.monotonic() - began):>7}  {run.run_id}")
    if len(progress.running) > LISTED:
        lines.append(f"  and {len(progress.running) - LISTED} more")
    room = console.height - len(table.rows) - len(lines) - _ROWS_BESIDE
    lines += _as_many(first, room)
    done = progress.count("done", "reused")
    lines.append(
        f"{clock(progress.elapsed)}  {done} of {len(progress.runs)} done, {_left(progress)}"
    )
    return Group(table, *(Text(line, style="cyan", overflow="fold") for line in lines))


def _as_many(first: Sequence[str], room: int) -> list[str]:
    """The latest first results under their headline, as many as fit in so many lines."""
    shown: list[str] = []
    for sentence in reversed(first):
        folded = textwrap.wrap(sentence, console.width - 1, **_INDENTED)
        if shown and len(shown) + len(folded) > room:
            break
        shown = [*folded, *shown]
    return [*textwrap.wrap(HEADLINE, console.width - 1), *shown] if shown else []


def summary(progress: Progress) -> str:
    """One line about a run of a study that has ended."""
    failed = progress.count(*FAILURES)
    return (
        f"{counted(len(progress.runs), 'stage run')}: {progress.count('done')} run, "
        f"{progress.count('reused')} reused, {failed} failed, "
        f"{progress.count('blocked')} blocked; {clock(progress.elapsed)}"
    )


def _left(progress: Progress) -> str:
    """How far the whole is and how long the rest will take: "12 %, about 35 min left"."""
    minutes = progress.seconds_left / 60
    rest = "less than a minute" if minutes < 1 else f"about {minutes:.0f} min"
    if minutes >= 90:
        rest = f"about {minutes / 60:.1f} h"
    return f"{min(99, int(100 * progress.share_done))} %, {rest} left"


def _explain(run: StageRun, status: Status) -> None:
    folder = RunFolder(run.run_id)
    # What a StudyError says is all that the reader needs; other errors are the program's own.
    for_people = status.message.removeprefix("StudyError: ")
    console.say(f"  {for_people}", 2)
    if for_people == status.message and (tail := folder.log_tail()):
        lines = (f"  | {line}" for line in Text.from_ansi(tail).plain.splitlines())
        console.print(Text("\n".join(lines), style="dim"))
    console.print(f"  The notebook and the log: {folder.path}", soft_wrap=True)


def cost_table(estimate: Estimate) -> Group:
    """What is left to do by stage, and how well the model does where that is known."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("stage")
    on_gpus = not math.isinf(estimate.machine.gpu_bytes)
    titles = ["runs", "read", "written", "trained", "hours", *(["GPU hours"] if on_gpus else [])]
    done = any(row["done"] for row in estimate.rows)
    titles += ["done", "took", "predicted", "by its tokens"] if done else []
    for title in titles:
        table.add_column(title, justify="right")
    for row in estimate.rows:
        cells = [str(row["runs"])]
        cells += [_millions(row[f"tokens_{kind}"]) for kind in KINDS]
        cells += [f"{row['hours']:.2f}", *([f"{row['gpu_hours']:.1f}"] if on_gpus else [])]
        if done:
            keys = ("hours_taken", "hours_predicted", "hours_by_tokens")
            cells += [str(row["done"]), *(clock(3600 * row[key]) for key in keys)]
        table.add_row(row["stage"], *cells, style="bold" if row["stage"] == "all" else "")
    machine = estimate.machine
    lines = [f"Machine: {machine.name} ({machine.about}).", "Tokens in millions."]
    return Group(table, *(Text(line) for line in [*lines, *estimate.notes]))


def _millions(tokens: float) -> str:
    return f"{tokens / 1e6:,.2f}" if tokens else "·"
