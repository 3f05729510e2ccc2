"""`rag-study check`: whether a study can answer its question, before anything is computed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from rag_study.analysis.resampling import TOLERANCE
from rag_study.cli.console import Debug, StudyFile, console, line_of, size
from rag_study.common.wording import counted, rounded_up
from rag_study.study.plan import expand

if TYPE_CHECKING:
    from rag_study.analysis.feasibility import Feasibility, Finding

_WIDTH = 80
_MARKS = {"no verdict": ("✗", "red"), "problem": ("!", "yellow"), "note": ("·", "dim")}
_UNKNOWN = "–"


def check(
    study_file: StudyFile,
    shown: Annotated[
        Literal["text", "json"], typer.Option("--format", help="for people, or for machines")
    ] = "text",
    debug: Debug = False,
) -> None:
    """Tell, before anything is computed, whether a study can answer its question, and what to
    change where it cannot. No model is loaded. Exit status 1: no verdict is possible."""
    from rag_study.analysis import feasibility

    runs = expand(study_file)
    found = feasibility.check(runs, runs[-1].study)
    if shown == "json":
        print(json.dumps(found.record(), indent=1, ensure_ascii=False))
    else:
        _show(found)
    if found.verdict is False:
        raise typer.Exit(1)


def print_findings(findings: Iterable[Finding]) -> None:
    """A line or more for each, with what to change under it."""
    for finding in findings:
        _print(_MARKS[finding.level], f" {finding.sentence}")
        if finding.remedy:
            _print("  ", ("→", "cyan"), f" {finding.remedy}")


def _show(found: Feasibility) -> None:
    words = {
        True: ("a verdict is possible", "green"),
        False: ("no verdict is possible", "red"),
        None: ("a verdict is not known", ""),
    }
    _print((found.study, "bold"), ": ", words[found.verdict])
    print_findings(found.findings)
    for table in (_data(found), _answers(found), _search(found), _contexts(found)):
        _print_table(table)
    for table in (_judges(found), _differences(found), _models(found)):
        _print_table(table)
    hours, disk = found.time, found.disk
    _print(
        f"\nTime: about {_duration(hours['hours'])} ({hours['machine']}: "
        f"{hours['about']}).\n"
        f"Disk: about {size(disk['bytes'])}, of which {size(disk['downloaded'])} are models from "
        f"the hub; {size(disk['free'])} are free."
    )


def _data(found: Feasibility) -> Table:
    table = _table("Questions", "compared", "groups", "test", "validation", "train", "language")
    for row in found.data:
        if not row["read"]:
            table.add_row(row["dataset"], *[_UNKNOWN] * 6)
            continue
        worth = math.floor(row["groups_worth"] + TOLERANCE)
        groups = f"{row['groups']}" + f" (worth {worth})" * (worth < row["groups"])
        pools = [str(row["pools"][pool]) for pool in ("test", "validation", "train")]
        scripts = [name for name, share in row["scripts"].items() if share >= 0.05]
        language = row["language"] or "not known"
        language += f" ({', '.join(scripts)})" if scripts != ["Latin"] else ""
        table.add_row(row["dataset"], str(row["test_questions"]), groups, *pools, language)
    return table


def _answers(found: Feasibility) -> Table:
    table = _table("Answers", "short", "several facts", "long", "only by judge", "recall*", "F1*")
    whole = {row["dataset"]: row for row in found.references if row["answer_type"] == "all"}
    for row in found.data:
        if not row["answers"]:
            continue
        scores = whole.get(row["dataset"], {})
        kinds = [_percent(row["answers"][kind]) for kind in ("short", "several", "long")]
        own = [_number(scores.get(name)) for name in ("answer_recall", "token_f1")]
        table.add_row(row["dataset"], *kinds, _percent(row["only_by_judge"]), *own)
    table.caption = "* what the references themselves score"
    return table


def _search(found: Feasibility) -> Table:
    table = _table(
        "Search", "documents", "copies", "words each", "gold known", "answer in it", "BM25*"
    )
    for row in found.search:
        shares = [_percent(row[key]) for key in ("gold", "answer_in_gold", "found_by_words")]
        counts = [
            f"{row['documents']:,}",
            f"{row['copies']:,}",
            _number(row["words_per_document"], 0),
        ]
        table.add_row(row["dataset"], *counts, *shares)
    top_k = max((row["top_k"] for row in found.search), default=0)
    table.caption = f"* a gold document among the best {top_k}, searched as a whole by its words"
    return table


def _contexts(found: Feasibility) -> Table:
    table = _table("Contexts", "context", "can be asked", "groups", text=2)
    for row in found.contexts:
        can = f"{row['possible']} of {row['asked']}"
        table.add_row(row["dataset"], row["context"], can, str(row["groups"]))
    return table


def _judges(found: Feasibility) -> Table:
    table = _table(
        "Judges", "data set", "ladder", "test", "other pools", "can be shown valid", text=2
    )
    for row in found.judges:
        others = row["from_validation"] + row["from_train"]
        possible = row["can_be_valid"] and row["can_be_audited"]
        can = Text("yes", "green") if possible else Text("no", "red")
        numbers = [str(n) for n in (row["questions"], row["from_test"], others)]
        table.add_row(row["judge"], row["dataset"], *numbers, can)
    return table


def _differences(found: Feasibility) -> Table:
    columns = ("in", "margin", "seen from", "2 × margin", "spread", "as in")
    table = _table("Differences", *columns, text=2)
    for row in found.differences:
        questions = row["n_twice_margin"]
        needed = rounded_up(questions) if questions else _UNKNOWN
        numbers = [f"{row['margin']:g}", _number(row["detectable"]), needed, _number(row["spread"])]
        label = found.labels.get(row["metric"], row["metric"])
        table.add_row(row["dataset"], label, *numbers, row["spread_from"])
    table.caption = (
        "seen from: the true difference that four such studies in five detect; 2 × margin: test "
        "questions with which they see twice the margin; assumed: half of the scale"
    )
    return table


def _models(found: Feasibility) -> Table:
    table = _table("Models", "use", "weights", "memory", "fits", text=2)
    fits = {True: Text("yes", "green"), False: Text("no", "red"), None: Text("not known")}
    for row in found.models:
        known = row["bytes"] is not None
        numbers = [_millions(row["weights"]), size(row["bytes"])] if known else [_UNKNOWN] * 2
        table.add_row(row["model"], row["use"], *numbers, fits[row["fits"]])
    return table


def _table(*columns: str, text: int = 1) -> Table:
    """A table of which the first `text` columns are words, the others numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", caption_style="dim")
    table.caption_justify = "left"
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < text else "right", overflow="fold")
    return table


def _print_table(table: Table) -> None:
    if table.row_count:
        console.print()
        console.print(table, width=_WIDTH)


def _print(*parts: str | tuple[str, str]) -> None:
    console.print(line_of(*parts), width=_WIDTH, highlight=False)


def _duration(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 2 else counted(math.ceil(60 * hours), "minute")


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.0%}".replace("%", " %")


def _number(value: Any, digits: int = 2) -> str:
    return _UNKNOWN if value is None else f"{value:,.{digits}f}"


def _millions(weights: float) -> str:
    return f"{weights / 1e9:.1f} B" if weights >= 1e9 else f"{weights / 1e6:.1f} M"
