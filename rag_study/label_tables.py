"""What people's labels say, as tables for a terminal of 110 columns."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from rag_study.agreement import STATISTICS
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
        cells = [
            _with_interval(number(row[name]), row[f"{name}_low"], row[f"{name}_high"])
            if is_number(row[name])
            else ""
            for name in STATISTICS
        ]
        style = "" if row["judge"] else "dim"
        cells = [row["criterion"], scorer, *cells, str(row["n_answers"])]
        table.add_row(*map(Text, cells), style=style)
    return table


def estimates_table(estimates: pd.DataFrame) -> Table:
    """`human_estimates` for a terminal."""
    table = _table("What people would say of all answers, with 95 % intervals (1 to 5)")
    for name in ("Run", "Criterion"):
        table.add_column(name, overflow="fold")
    for name in ("Scorer alone", "Labels alone", "Both", "Labels"):
        table.add_column(name, justify="right", no_wrap=True)
    runs = estimates[RUN_COLUMNS].drop_duplicates()
    names = dict(zip(map(tuple, runs.to_numpy()), run_names(runs), strict=True))
    judges = estimates["scorer"].nunique() > 1
    for row in estimates.to_dict("records"):
        difference = row["quantity"] == "difference"
        written = signed if difference else number
        run = names[tuple(row[name] for name in RUN_COLUMNS)]
        run = f"{run} − base" if difference else run
        alone = written(row["scorer_mean"]) if is_number(row["scorer_mean"]) else ""
        cells = [
            f"{run} ({row['scorer']})" if judges else run,
            row["criterion"],
            alone,
            _with_interval(written(row["labels_mean"]), row["labels_low"], row["labels_high"]),
            _with_interval(written(row["estimate"]), row["ci_low"], row["ci_high"]),
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


def _with_interval(value: str, low: float, high: float) -> str:
    known = is_number(low) and is_number(high)
    return f"{value} ({number(low)}, {number(high)})" if known else f"{value} ({NOT_KNOWN})"
