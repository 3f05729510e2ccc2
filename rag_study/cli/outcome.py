"""What a study came to, on a terminal; and its report in other forms."""

from __future__ import annotations

import os
from pathlib import Path

from rich.text import Text

from rag_study.cli.console import console
from rag_study.common import files, run_folder
from rag_study.study import study_tables
from rag_study.study.plan import Comparison
from rag_study.study.running.study_run import Progress


def show_result(comparison: Comparison, progress: Progress) -> None:
    """Print the primary effects, the decision card, the study's own notes, what to do next and
    where the report is, if the comparison was made or is still good."""
    if progress.outcomes.get(comparison.run_id) not in ("done", "reused"):
        return
    from rag_study.analysis.study_results import read_metrics
    from rag_study.report.advice import steps_text
    from rag_study.report.card import Card, card_text
    from rag_study.report.tables import effects_table
    from rag_study.report.verdict_looks import DECISION_LOOKS

    folder = run_folder.study_dir(comparison.slug)
    with study_tables.reading(folder):
        comparisons = files.read_parquet(folder / "comparisons.parquet")
        metrics = read_metrics(folder)
        steps = files.read_parquet(folder / "next_steps.parquet")
        card = Card.from_dict(files.read_json(folder / "card.json"))
    width = min(console.width, 80)
    console.print(effects_table(comparisons, metrics=metrics))
    console.print()
    said = Text(card_text(card, width))
    for decision, look in DECISION_LOOKS.items():
        said.highlight_regex(rf"(?m)^{decision.upper()}(?=  )", look.terminal)
    console.print(said, soft_wrap=True)
    for note in comparison.study.notes:
        console.say(note)
    if text := steps_text(steps, width=width):
        console.print(f"\n{text}\n", soft_wrap=True)
    console.print(f"Report: {_shown(folder / 'report.html')}", soft_wrap=True)


def write_also(common: Comparison, *, markdown: bool, pdf: bool) -> None:
    """Other forms of the report, beside it."""
    from rag_study.report.card import Card, card_markdown
    from rag_study.report.pdf import print_report

    folder = run_folder.study_dir(common.slug)
    if markdown:
        with study_tables.reading(folder):
            card = Card.from_dict(files.read_json(folder / "card.json"))
        files.write_text(folder / "report.md", card_markdown(card, common.study.name))
        console.print(f"For a ticket: {_shown(folder / 'report.md')}", soft_wrap=True)
    if pdf:
        print_report(folder / "report.html", folder / "report.pdf")
        console.print(f"For paper: {_shown(folder / 'report.pdf')}", soft_wrap=True)


def _shown(file: Path) -> Path:
    """A file as it is named on a terminal: from the working folder, where it lies in it."""
    shown = Path(os.path.relpath(file))
    return file if ".." in shown.parts else shown
