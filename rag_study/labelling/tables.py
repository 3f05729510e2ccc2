"""What people's labels say, as tables for a terminal of 110 columns and for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.common.shown import visible
from rag_study.common.wording import NOT_KNOWN, is_number, number, signed
from rag_study.labelling.agreement import STATISTICS
from rag_study.labelling.sample import run_names


@dataclass(frozen=True)
class Shown:
    """A table as text: `names` are the columns in words, `numbers` those with numbers, `dim` the
    rows that matter less."""

    title: str
    names: list[str]
    numbers: list[str]
    rows: list[list[str]]
    dim: frozenset[int] = frozenset()


def agreement(agreed: pd.DataFrame) -> Shown:
    """`human_agreement`: judges first."""
    several = agreed["dataset"].nunique() > 1
    rows, dim = [], set()
    for row in agreed.to_dict("records"):
        scorer = f"{row['scorer']} on {row['dataset']}" if several else row["scorer"]
        # Kappa is for judges: reference metrics are not on people's scale.
        shown = STATISTICS if row["judge"] else STATISTICS[:-1]
        cells = [_with_interval(row[n], row[f"{n}_low"], row[f"{n}_high"]) for n in shown]
        cells += [""] * (len(STATISTICS) - len(shown))
        if not row["judge"]:
            dim.add(len(rows))
        rows.append([row["criterion"], scorer, *cells, str(row["n_answers"])])
    return Shown(
        "Agreement with people, with 95 % intervals (1: the same order, 0: none)",
        ["Criterion", "Scorer"],
        ["Spearman", "Kendall's tau-b", "Weighted kappa", "Answers"],
        rows,
        frozenset(dim),
    )


def estimates(estimated: pd.DataFrame) -> Shown:
    """`human_estimates`."""
    runs = estimated[RUN_COLUMNS].drop_duplicates()
    names = dict(zip(map(tuple, runs.to_numpy()), run_names(runs), strict=True))
    several = estimated["scorer"].nunique() > 1
    rows = []
    for row in estimated.to_dict("records"):
        difference = row["quantity"] == "difference"
        write = signed if difference else number
        run = names[tuple(row[name] for name in RUN_COLUMNS)] + " − base" * difference
        rows.append(
            [
                f"{run} ({row['scorer']})" if several else run,
                row["criterion"],
                write(row["scorer_mean"]),
                _with_interval(row["labels_mean"], row["labels_low"], row["labels_high"], write),
                _with_interval(row["estimate"], row["ci_low"], row["ci_high"], write),
                f"{row['n_labelled']} of {row['n_questions']}",
            ]
        )
    return Shown(
        "What people would say of all answers, with 95 % intervals (1 to 5)",
        ["Run", "Criterion"],
        ["Scorer alone", "Labels alone", "Labels + scorer", "Labelled"],
        rows,
    )


def for_report(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, Shown, Shown]]:
    """(name, estimates, agreement) of every sample that people have labelled, from
    `labels.human_tables`."""
    if not tables:
        return []
    agreed = tables["human_agreement"]
    # What a verdict is about comes first: differences, then means.
    estimated = tables["human_estimates"].sort_values("quantity", kind="stable")
    return [
        (
            name,
            estimates(estimated[estimated["sample"] == name]),
            agreement(agreed[agreed["sample"] == name]),
        )
        for name in sorted(set(estimated["sample"]))
    ]


def for_terminal(shown: Shown) -> Table:
    table = Table(
        title=shown.title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for name in shown.names:
        table.add_column(name, overflow="fold")
    for name in shown.numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for place, cells in enumerate(shown.rows):
        table.add_row(
            *(Text(visible(cell)) for cell in cells), style="dim" if place in shown.dim else ""
        )
    return table


def _with_interval(
    value: float, low: float, high: float, write: Callable[[float], str] = number
) -> str:
    if not is_number(value):
        return NOT_KNOWN
    interval = f"{write(low)}, {write(high)}" if is_number(low) else "no interval"
    return f"{write(value)} ({interval})"
