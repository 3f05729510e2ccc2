"""`rag-study label`: answers for people to label, and what their labels say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rag_study.cli.console import Debug, StudyFile, as_typed, console
from rag_study.common import files, run_folder
from rag_study.common.errors import StudyError
from rag_study.study import study_tables
from rag_study.study.config import StudyConfig, load_study


def label(
    study_file: StudyFile,
    questions: Annotated[
        int | None, typer.Option(metavar="N", help="questions to draw per data set  [50]")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="whose answers  [the first of the study's primary ones]")
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="a trained run, e.g. lora-200; several times  [all]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="of the draw  [0]")] = None,
    passages: Annotated[
        bool, typer.Option("--passages", help="show the passages that the prompt held")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="the file to write")] = None,
    read: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="a file that was filled in")
    ] = None,
    grade: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="grade its answers here, one key each; goes on later"
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a sample of answers for people to label, blind; --grade asks for the labels here, and
    --read takes them in."""
    study = load_study(study_file)
    folder = run_folder.study_dir(study.name)
    if not (folder / "results.parquet").exists():
        raise StudyError(
            f"{study_file}: this study has no results yet.\n"
            f"Run it first:  rag-study run {as_typed(study_file)}"
        )
    if read is not None or grade is not None:
        options = {"--questions": questions, "--context": context, "--run": run, "--seed": seed}
        options |= {"--out": out, "--passages": passages or None}
        if used := [name for name, value in options.items() if value is not None and value != []]:
            alone = "--read" if grade is None else "--grade"
            raise StudyError(f"{alone} stands alone; it does not go with {', '.join(used)}.")
        if read is not None and grade is not None:
            raise StudyError("--read and --grade: --grade takes the labels in itself, name one.")
        if grade is None:
            _read(folder, read)
        else:
            _grade(folder, grade)
        return
    _write(
        study,
        study_file,
        folder,
        out,
        passages,
        context=context or study.primary.contexts[0],
        n_questions=50 if questions is None else questions,
        seed=seed or 0,
        patterns=run or [],
        metrics=study.metrics,
    )


# What reads tables is imported where it is used: `plan` is instant.


def _write(
    study: StudyConfig,
    study_file: Path,
    folder: Path,
    out: Path | None,
    passages: bool,
    **draw: Any,
) -> None:
    import pandas as pd

    from rag_study import labelling
    from rag_study.common.wording import counted
    from rag_study.labelling import csv_file
    from rag_study.labelling.passages import texts_shown
    from rag_study.study import plan

    with study_tables.reading(folder):
        answers = files.read_parquet(folder / "results.parquet")
    sample = labelling.draw(answers, study.name, **draw)
    file = out or Path(f"{study.name}-labels-{sample.name}.csv")
    texts = texts_shown(plan.comparison(study), study, sample) if passages else None
    sheet = csv_file.write(file, sample, texts)
    sample.save(folder)
    names = ", ".join(labelling.run_names(pd.DataFrame(sample.runs)))
    console.say(
        f"{file}: {counted(len(sample.answers), 'answer')} to "
        f"{counted(sample.n_questions, 'question')}, in random order, by {names} "
        f"(context {sample.context})."
    )
    for dataset, rows in pd.DataFrame(sample.frame).groupby("dataset", sort=True):
        strata = rows.groupby("stratum")["drawn"].agg(["sum", "size"])
        parts = ", ".join(f"{row['sum']} of {row['size']}" for _, row in strata.iterrows())
        console.say(
            f"{dataset}: drawn by {sample.stratified_by} score, lowest first: {parts} of the "
            "questions."
        )
    console.say(f"{sheet}: what the scores mean, for whoever labels.")
    command = f"rag-study label {as_typed(study_file)}"
    console.say(f"Grade here, one key each:  {command} --grade {as_typed(file)}")
    console.say(f"Or fill it in elsewhere, then:  {command} --read {as_typed(file)}")


def _read(folder: Path, file: Path) -> None:
    from rag_study import labelling
    from rag_study.labelling import csv_file
    from rag_study.labelling import tables as label_tables
    from rag_study.labelling.labels import human_tables, publish, store_labels

    sample = labelling.load(folder, csv_file.sample_name(file))
    labels = csv_file.read(file, sample)
    with study_tables.taking_labels_in(folder):
        store_labels(folder, sample, labels)
        tables = human_tables(folder)
        publish(folder, **tables)
    for note in [*labels.notes, *tables["human_estimates"].attrs["notes"]]:
        console.say(note)
    for name, show in (
        ("human_agreement", label_tables.agreement),
        ("human_estimates", label_tables.estimates),
    ):
        shown = show(tables[name][tables[name]["sample"] == sample.name])
        console.print(label_tables.for_terminal(shown))
    console.say(
        f"Tables: human_labels, human_agreement, human_estimates (.csv, .parquet) in {folder}"
    )
    console.say("The report has them when it is built again:  rag-study report STUDY")


def _grade(folder: Path, file: Path) -> None:
    import click

    from rag_study import labelling
    from rag_study.labelling import csv_file, grading

    if not console.is_terminal:
        raise StudyError("--grade needs a terminal. Fill the file in with a spreadsheet instead.")
    sample = labelling.load(folder, csv_file.sample_name(file))

    def show(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, end="")

    given = grading.grade(file, sample, show, click.getchar)
    console.say("")
    if given:
        _read(folder, file)
