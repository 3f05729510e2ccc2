"""`rag-study questions`: a model writes questions from documents, and people say what of them.
stays."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rag_study.cli.console import Debug, clock, console
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.models import architectures
from rag_study.models.names import GENERATORS, is_endpoint, is_known, parameters_of

if TYPE_CHECKING:
    from rag_study.questions.making import Cost
    from rag_study.questions.passages import Places
    from rag_study.questions.store import Store

_SHEET = "check-by-hand.csv"
# Of so many weights and fewer, what a model writes is mostly not usable.
_WEAK = 3e9
# What docs/questions.md has measured.
_WEAK_WORDS = (
    "{model} is too weak for this. Of 128 questions that the bundled model of 135 million weights "
    "wrote, none passed the checks (docs/questions.md). Take a model on a server "
    "(http://host:port/v1#name), or one of at least 7 billion weights."
)
_FEW = 0.15
_EVERY_S = 30.0


def questions(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="your documents: a folder, or a table of them")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="that writes and checks: http://host:port/v1#name, a hub id, a folder, a preset. "
            "There is no default: the bundled one is too weak"
        ),
    ] = "",
    count: Annotated[int, typer.Option(min=1, metavar="N", help="questions to keep")] = 100,
    types: Annotated[
        str,
        typer.Option(
            help="any of factoid, yes_no, list, summary, unanswerable, two_documents, with commas"
        ),
    ] = "factoid,list,summary",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="to write to  [questions/NAME]")
    ] = None,
    tries: Annotated[int, typer.Option(min=1, max=50, help="for each question, at most")] = 4,
    reasoning: Annotated[
        int, typer.Option(min=0, metavar="TOKENS", help="more for each reply, if it reasons")
    ] = 0,
    cost: Annotated[bool, typer.Option("--cost", help="only say what it would cost")] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="write those that nobody has read to this sheet"),
    ] = None,
    read: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="a sheet that was filled in")
    ] = None,
    debug: Debug = False,
) -> None:
    """Have a model write questions with answers from your documents, and keep those that pass.

    Each must be answered from its passage and not without it, make sense by itself, repeat no
    other, and have its answer in the passage. Stopped, the same command goes on. A sheet is
    written for a person to strike out or mend rows; --read takes it in.
    """
    from rag_study.data.sources.own import documents
    from rag_study.questions import kinds, making
    from rag_study.questions.store import Store

    place = out or Path("questions") / _name_of(folder)
    if read is not None:
        if model or cost or sheet:
            raise StudyError("--read stands alone; it goes with FOLDER and --out only.")
        with _existing(place) as store:
            _read(store, read)
            _say_next(folder, place, was_read=True)
        return
    _check_model(model, cost)
    if place.resolve().is_relative_to(folder.resolve()) and folder.is_dir():
        raise StudyError(
            f"{place} lies in {folder}, where it would be taken for documents. Name another folder "
            "with --out."
        )
    asked = making.shares(count, kinds.parse_kinds(types))
    places = _places(folder, asked)
    _tell_cost(making.cost(places, asked, tries), model, reasoning)
    if cost:
        return
    with Store(place) as store:
        store.settle(documents=documents.fingerprint(folder), model=model)
        _make(store, places, model, asked, tries, reasoning)
        _tell_result(store, model, count)
        _write_sheet(store, sheet)
        _say_next(folder, place)


# What reads documents and models is imported where it is used: `plan` is instant.


def _check_model(model: str, cost: bool) -> None:
    if not model:
        raise StudyError(
            "--model is missing: the model that writes the questions, best one on a server "
            "(http://host:port/v1#name), else a hub id or a folder. There is no default, because "
            "the bundled smollm2-135m-instruct is too weak to write good ones."
        )
    if not is_known(model):
        raise StudyError(
            f"--model {model}: is no address of a server, no folder, no hub id (owner/name) and no "
            f"preset ({', '.join(GENERATORS)})."
        )
    architectures.check(model, (architectures.DECODER, architectures.ENCODER_DECODER))
    weights = parameters_of(model)
    if not is_endpoint(model) and weights is not None and weights < _WEAK and not cost:
        console.say(_WEAK_WORDS.format(model=model), style="yellow")


def _places(folder: Path, asked: dict[str, int]) -> Places:
    """Passages of the documents, enough for so many questions by kind."""
    from rag_study.data.sources.own import documents
    from rag_study.questions.passages import Places

    counts: Counter[str] = Counter()
    found = documents.read(folder, counts)
    places = Places(found, most=max(200, 2 * sum(asked.values())))
    about = f"{counted(len(found), 'document')}, {counted(len(places.all), 'passage')} of them"
    console.say(f"{folder}: {about} to ask about.")
    for reason, number in (+counts).items():
        console.say(f"  {reason}: {number:,}")
    if "two_documents" in asked:
        console.say(f"  pairs of passages of two documents: {len(places.pairs):,}")
    return places


def _make(
    store: Store, places: Places, model: str, asked: dict[str, int], tries: int, reasoning: int
) -> None:
    from rag_study.questions import making, writer

    before = len(store.standing)
    if before:
        console.say(f"{counted(before, 'question')} of {sum(asked.values()):,} are there already.")
    try:
        with writer.open_writer(model, reasoning) as opened, _progress(before) as told:
            making.Making(store, places, opened, model, told).make(asked, tries)
    except KeyboardInterrupt:
        store.write()
        console.say(
            f"stopped; {counted(len(store.kept), 'question')} kept in {store.folder}. The same "
            "command goes on from here"
        )
        raise typer.Exit(130) from None
    except StudyError:
        store.write()
        raise
    store.write()


def _tell_cost(cost: Cost, model: str, reasoning: int) -> None:
    """What it may cost, as far as it is known before."""
    console.say(
        f"Cost: {counted(cost.least_calls, 'call')} of the model if every question is kept at "
        "once, "
        f"{cost.most_calls:,} if all tries are needed (fewer, since what fails is not asked about "
        f"again); {_thousands(cost.least_read)} to {_thousands(cost.most_read)} tokens read, "
        f"{_thousands(cost.least_written)} to {_thousands(cost.most_written)} written."
    )
    if reasoning:
        console.say(f"  With reasoning up to {reasoning:,} tokens more are written in each call.")
    if is_endpoint(model):
        console.say(
            "  Minutes depend on the server; they are told once the first questions are there."
        )
        return
    weights = parameters_of(model, active=True)
    try:
        minutes = [_minutes(cost.least_read, cost.least_written, weights)]
        minutes.append(_minutes(cost.most_read, cost.most_written, weights))
        console.say(f"  On this machine {minutes[0]:,.0f} to {minutes[1]:,.0f} minutes.")
    except StudyError:
        console.say(
            "  Minutes are not known before: no finished run tells how fast this machine is."
        )


def _minutes(read: int, written: int, weights: float | None) -> float:
    from rag_study.common.machine import resolve_dtype
    from rag_study.questions.writer import BATCH_LOCAL
    from rag_study.study.running import costs

    if not weights:
        raise StudyError("the size of the model is not known.")
    machine = costs.find_machine(None)
    each = 2 if resolve_dtype("auto") == "bfloat16" else 4
    seconds = 2 * weights * read / machine.read
    seconds += weights * each * written / BATCH_LOCAL / machine.written
    return seconds / 60


@contextmanager
def _progress(before: int) -> Iterator[Callable[[int, int, int], None]]:
    """Show how many are kept, as a bar on a terminal, as lines elsewhere; so many were `before`."""
    began = said = time.monotonic()

    def left(kept: int, asked: int) -> str:
        new = kept - before
        if new <= 0:
            return "no estimate yet"
        return f"about {clock((time.monotonic() - began) / new * (asked - kept))} left"

    if console.is_terminal and not console.is_dumb_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            shown = bar.add_task("loading the model", total=None)

            def tell(kept: int, asked: int, tries: int) -> None:
                words = f"{kept} of {asked} kept, tries: {tries}, {left(kept, asked)}"
                bar.update(shown, completed=kept, total=asked, description=words)

            yield tell
        return

    def tell_line(kept: int, asked: int, tries: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _EVERY_S:
            said = time.monotonic()
            spent = clock(said - began)
            console.say(f"{spent}  {kept} of {asked} kept, tries: {tries}, {left(kept, asked)}")

    yield tell_line


def _tell_result(store: Store, model: str, asked: int) -> None:
    from rag_study.questions.checks import REASONS

    tried, kept = len(store.tries), len(store.kept)
    standing = store.standing
    if not tried:
        return
    reasons = Counter(row["reason"] for row in store.tries if row["reason"])
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("What became of the tries")
    for name in ("tries", "share"):
        table.add_column(name, justify="right")
    rows = [("kept", kept), *((reason, reasons[reason]) for reason in REASONS if reasons[reason])]
    for words, number in rows:
        table.add_row(words, f"{number:,}", f"{number / tried:.0%}".replace("%", " %"))
    console.print(table)
    by_kind = Counter(row["kind"] for row in standing)
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(by_kind.items()))
    struck = f"; people struck out {kept - len(standing):,}" if kept > len(standing) else ""
    console.say(f"Kept: {counted(len(standing), 'question')} ({kinds or 'none'}){struck}.")
    if len(standing) < asked:
        console.say(
            f"{asked - len(standing):,} fewer than asked for: the tries are used up (--tries), or "
            "every passage has been asked about."
        )
    if kept < _FEW * tried:
        console.say(
            f"Few were kept. {model} may be too weak for documents like these: a larger model "
            "keeps more, and better ones.",
            style="yellow",
        )


def _write_sheet(store: Store, sheet: Path | None) -> None:
    from rag_study.labelling import question_sheet

    unread = [row for row in store.kept if row["question"]["id"] not in store.reviews()]
    file = sheet or store.folder / _SHEET
    if not unread:
        return
    if sheet is None and file.exists():
        console.say(
            f"{file} is there already; --sheet FILE.csv writes another, of what is not read yet."
        )
        return
    instructions = question_sheet.write(file, unread)
    console.say(
        f"{file}: {counted(len(unread), 'question')} for a person to read, strike out or mend."
    )
    console.say(f"{instructions}: how.")


def _read(store: Store, file: Path) -> None:
    from rag_study.labelling import question_sheet

    read = question_sheet.read(file, store.kept)
    store.review(read.said)
    for note in read.notes:
        console.say(note)
    verdicts = Counter(entry["verdict"] for entry in store.reviews().values())
    console.say(
        f"{counted(verdicts.total(), 'question')} read by people: {verdicts['struck_out']} struck "
        f"out, {verdicts['mended']} mended. The report of a study says so."
    )


def _existing(place: Path) -> Store:
    from rag_study.questions.store import TRIES, Store

    if not (place / TRIES).exists():
        raise StudyError(
            f"{place}: no questions were made there. Name the folder that has them with --out."
        )
    return Store(place)


def _say_next(folder: Path, place: Path, *, was_read: bool = False) -> None:
    from rag_study.questions.store import QUESTIONS

    name = _name_of(folder)
    file = place / QUESTIONS
    console.say(f"\nWritten: {file}. Next:")
    elsewhere = "" if place == Path("questions") / name else f" --out {_quoted(place)}"
    sheet = f"--read {_quoted(place / _SHEET)}{elsewhere}"
    init = f"{_quoted(file)} --documents {_quoted(folder)} --name {name}-written"
    lines = [
        (f"rag-study questions {_quoted(folder)} {sheet}", "once somebody has filled it in"),
        (f"rag-study init {init}", "a study file"),
        (f"rag-study run params/{name}-written.yaml", "the study"),
    ]
    for command, purpose in lines[was_read:]:
        console.say(f"  {command}   # {purpose}")


def _quoted(path: Path) -> str:
    text = str(path)
    return text if re.fullmatch(r"[\w./+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _name_of(folder: Path) -> str:
    from rag_study.study.beginning import name_of

    return name_of(folder)


def _thousands(tokens: int) -> str:
    return f"{tokens / 1000:,.0f},000" if tokens >= 1000 else f"{tokens}"
