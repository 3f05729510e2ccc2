"""`rag-study judge-report`: what a judge is worth, in figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import ValidationError

from rag_study.cli.console import Debug, Terminal, console
from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.messages import problems
from rag_study.common.shown import visible
from rag_study.evaluation import criteria
from rag_study.models import folders, names
from rag_study.study.groups import Judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag_study.data.schema import Question
    from rag_study.evaluation.judging.report import Report

Format = Literal["text", "md", "json"]
Dtype = Literal["float32", "bfloat16", "4bit"]
# A style on which the judge of the package was not trained.
DATASET, STYLE = "fictional", "encyclopedia"
ADAPTER = "adapter_config.json"


def judge_report(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="presets, folders, hub ids, servers")
    ],
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON lines with answers that people graded")
    ] = None,
    data_set: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="own data for the ladder  [fictional]"),
    ] = None,
    ladder: Annotated[bool, typer.Option(help="have the ladder graded")] = True,
    questions: Annotated[
        int, typer.Option(min=1, help="most questions of the ladder, and of the file")
    ] = 60,
    criterion: Annotated[
        list[str] | None, typer.Option(help="by what to grade  [accuracy, completeness]")
    ] = None,
    adapter: Annotated[Path | None, typer.Option(metavar="DIR", help="of a local judge")] = None,
    trained: Annotated[bool, typer.Option("--trained", help="it was trained to grade")] = False,
    dtype: Annotated[Dtype | None, typer.Option(help="of a local judge  [float32]")] = None,
    tokenizer: Annotated[str, typer.Option(help="of a model on a server")] = "",
    shown: Annotated[Format | None, typer.Option("--format", help="text, md or json")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write it there (.md or .json)")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show how judges do on answers of known quality, and on answers that people graded.

    Beside them stand metrics that ask no model. What was graded before Ctrl-C is kept, and the same
    command goes on from there.
    """
    form = _form(shown, output)
    if not (ladder or answers):
        raise StudyError("--no-ladder leaves nothing to grade; name --answers FILE as well.")
    if adapter and len(models) > 1:
        raise StudyError("--adapter belongs to one judge; name that judge alone.")
    settings = {
        "criteria": criterion or list(criteria.DEFAULT),
        "adapter": str(adapter) if adapter else None,
        "trained": trained,
        "dtype": dtype,
        "tokenizer": tokenizer or None,
    }
    judges = [_settings(model, settings) for model in models]
    try:
        report = _made(judges, answers, data_set, ladder, questions)
    except KeyboardInterrupt:
        console.say("stopped; the same command goes on from here")
        raise typer.Exit(130) from None
    _show(report, form, output)


# What reads tables and models is imported where it is used: `plan` is instant.


def _settings(model: str, settings: dict[str, Any]) -> Judge:
    """The judge as a study file would have it. Raises StudyError for what cannot be one."""
    try:
        judge = Judge(model=model, **settings)
    except ValidationError as error:
        said = [text for _, text in problems(error, lambda _: list(Judge.model_fields))]
        raise StudyError("; ".join(said)) from None
    if judge.adapter and not (Path(judge.adapter) / ADAPTER).is_file():
        raise StudyError(f"--adapter {judge.adapter}: there is no {ADAPTER} in it.")
    return judge


def _made(
    judges: Sequence[Judge], answers: Path | None, data_set: Path | None, ladder: bool, most: int
) -> Report:
    from rag_study.evaluation.judging import open_judge, people, report

    known = [one.name for one in criteria.find_all(judges[0].criteria)]
    # All input is read before a judge is loaded.
    graded = people.sample(people.read(answers, known), most) if answers else []
    asked = _questions(data_set) if ladder else []
    made = report.Report()
    for said in judges:
        model, revision = (
            said.model,
            f"{names.revision_of(said.model)}:{said.dtype}:{said.tokenizer}",
        )
        if said.adapter:
            revision += folders.revision(Path(said.adapter))
        judge = open_judge(
            model,
            said.criteria,
            said.dtype or "float32",
            said.adapter or "",
            said.tokenizer or "",
            trained=said.trained,
        )
        made.judges.append(model)
        if asked:
            with _bar(f"{model}: ladder") as told:
                report.add_ladder(made, judge, asked, most, revision, told)
            made.about["ladder"]["data"] = str(data_set or f"{DATASET} ({STYLE})")
        if graded:
            with _bar(f"{model}: graded answers") as told:
                report.add_people(made, judge, graded, revision, told)
            made.about["people"]["file"] = answers.name
    return made


def _questions(data_set: Path | None) -> list[Question]:
    from rag_study import data

    if data_set is None:
        return list(data.load(DATASET, options={"style": STYLE}).questions)
    return list(data.load("jsonl", str(data_set)).questions)


def _bar(title: str) -> Any:
    """A context that shows a bar on a terminal, and gives what is told how far it is."""
    from contextlib import contextmanager

    from rich.markup import escape
    from rich.progress import Progress

    @contextmanager
    def shown():
        errors = Terminal(stderr=True)
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
            task = bars.add_task(escape(visible(title)), total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)

    return shown()


def _form(shown: Format | None, output: Path | None) -> Format:
    if output is None:
        return shown or "text"
    by_name: dict[str, Format] = {".md": "md", ".json": "json"}
    form = shown or by_name.get(output.suffix)
    if form not in ("md", "json"):
        raise StudyError(f"--output {output}: a file is .md or .json, or name --format md or json.")
    if not output.parent.is_dir():
        raise StudyError(f"--output {output}: there is no folder {output.parent}.")
    return form


def _show(report: Report, form: Format, output: Path | None) -> None:
    import json
    from dataclasses import asdict

    from rag_study.evaluation.judging import report as reports

    if form == "text":
        _tables(report)
        return
    text = (
        reports.markdown(report)
        if form == "md"
        else json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n"
    )
    if output:
        files.write_text(output, text)
        console.say(f"{output}: figures of {', '.join(report.judges)}")
    else:
        sys.stdout.write(text)


def _tables(report: Report) -> None:
    from rich import box
    from rich.table import Table

    from rag_study.evaluation.judging import report as reports

    for title, heads, rows in reports.tables(report):
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
        for head in heads:
            table.add_column(head, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for note in reports.notes(report):
        console.say(note)
