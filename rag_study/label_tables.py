"""What people's labels say, as tables for a terminal of 110 columns."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from rag_study.human_agreement import STATISTICS
from rag_study.labelling import run_names
from rag_study.labels import NOT_KNOWN, is_number, number, signed
from rag_study.pairing import RUN_COLUMNS


def agreement_table(agreed: pd.DataFrame) -> Table:
    """`human_agreement` for a terminal: judges first."""
    table = _table("Agreement with people, with 95 % intervals (1: the same order, 0: none)")
    for name in ("Criterion", "Scorer"):
        table.add_column(name, overflow="fold")
    for name in ("Spearman", "Kendall's tau-b", "Weighted kappa", "Answers"):
        table.add_column(name, justify="right", no_wrap=True)
    several = agreed["dataset"].nunique() > 1
    for row in agreed.to_dict("records"):
        scorer = f"{row['scorer']} on {row['dataset']}" if several else row["scorer"]
        # Kappa is for judges: reference metrics are not on people's scale.
        shown = STATISTICS if row["judge"] else STATISTICS[:-1]
        cells = [_with_interval(row[n], row[f"{n}_low"], row[f"{n}_high"]) for n in shown]
        cells += [""] * (len(STATISTICS) - len(shown))
        cells = [row["criterion"], scorer, *cells, str(row["n_answers"])]
        table.add_row(*map(Text, cells), style="" if row["judge"] else "dim")
    return table


def estimates_table(estimates: pd.DataFrame) -> Table:
    """`human_estimates` for a terminal."""
    table = _table("What people would say of all answers, with 95 % intervals (1 to 5)")
    for name in ("Run", "Criterion"):
        table.add_column(name, overflow="fold")
    for name in ("Scorer alone", "Labels alone", "Labels + scorer", "Labelled"):
        table.add_column(name, justify="right", no_wrap=True)
    runs = estimates[RUN_COLUMNS].drop_duplicates()
    names = dict(zip(map(tuple, runs.to_numpy()), run_names(runs), strict=True))
    several = estimates["scorer"].nunique() > 1
    for row in estimates.to_dict("records"):
        difference = row["quantity"] == "difference"
        write = signed if difference else number
        run = names[tuple(row[name] for name in RUN_COLUMNS)] + " − base" * difference
        cells = [
            f"{run} ({row['scorer']})" if several else run,
            row["criterion"],
            write(row["scorer_mean"]),
            _with_interval(row["labels_mean"], row["labels_low"], row["labels_high"], write),
            _with_interval(row["estimate"], row["ci_low"], row["ci_high"], write),
            f"{row['n_labelled']} of {row['n_questions']}",
        ]
        table.add_row(*map(Text, cells))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )


def _with_interval(
    value: float, low: float, high: float, write: Callable[[float], str] = number
) -> str:
    if not is_number(value):
        return NOT_KNOWN
    interval = f"{write(low)}, {write(high)}" if is_number(low) else "no interval"
    return f"{write(value)} ({interval})"
