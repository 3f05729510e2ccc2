"""A heat map of effects by kind of question: one line per kind, one column per model state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.states import context_label, differing, factor_words, state_label
from rag_study.common.wording import is_number, signed
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas, lettering
from rag_study.report.plots.captions import NAMES

MOST_LINES, MOST_STATES = 60, 10
_ROW = 0.24  # inches
_LOST, _GAINED = (sns.color_palette("colorblind")[i] for i in (3, 0))
_COLOURS = LinearSegmentedColormap.from_list("effects", [_LOST, (1, 1, 1), _GAINED])
_MOST = 0.75  # of the strongest colours so much is used, so that numbers can be read on them
_MARKS = {"worse": "▼", "better": "▲", "lost": "▼"}


@canvas.styled
def slice_map(rows: pd.DataFrame, metrics: Metrics = METRICS) -> Figure:
    """Drawn effects by kind of question, from rows of the table of `slices.slices` of one context,
    metric and judge. Marked are kinds that differ from all other questions beyond chance."""
    title = "Which questions lost most through training"
    if rows.empty:
        return canvas.nothing(title, "No kind of question could be told apart.")
    first = rows.iloc[0]
    states, rows, left_out = _states(rows)
    lines, more = _lines(rows)
    by = f" by {first['judge']}" if first["judge"] else ""
    caption = (
        f"{metrics.label(first['metric'])}{by}, {context_label(first['context'])}: trained − base. "
        "Each number is drawn towards the others of its property, as the largest of many is larger "
        "than what is true of it. In brackets the number of questions. ▼ ▲: differs from all other "
        "questions; of those marked one in twenty is chance. Intervals are in the table. "
        f"{NAMES}{left_out}{more}"
    )
    handles = [
        Patch(color=_LOST, alpha=_MOST, label="lost"),
        Patch(color=_GAINED, alpha=_MOST, label="gained"),
        Line2D([], [], color="black", marker="v", linestyle="", label="worse than the rest"),
        Line2D([], [], color="black", marker="^", linestyle="", label="better than the rest"),
    ]
    if rows["shrunken"].isna().any():
        grey = {"facecolor": "#e6e6e6", "hatch": "..", "edgecolor": "white"}
        handles.append(Patch(**grey, label="too few groups of questions"))
    heading = 1 + max(state.count("\n") for state in states)
    height = 0.35 + heading * 0.16 + len(lines) * _ROW
    fig, (ax,) = canvas.layout(
        1, panel=(7.2, height), title=title, caption=caption, handles=handles
    )
    _draw(ax, lines, states, first["metric"])
    return canvas.described(fig, [_fact(rows, state, first["metric"]) for state in states])


def _fact(rows: pd.DataFrame, state: str, metric: str) -> str:
    """A column in words: where it lost and gained most."""
    known = rows[(rows["state"] == state) & rows["shrunken"].notna()]
    name = " ".join(state.split())
    if known.empty:
        return f"{name}: too few groups of questions"
    ends = known.sort_values("shrunken", kind="stable").iloc[[0, -1]].to_dict("records")
    least, most = (
        f"{signed(row['shrunken'], metric)} ({row['slicing']}: {row['slice']})" for row in ends
    )
    marked = int(known["finding"].astype(bool).sum())
    return f"{name}: from {least} to {most}; {marked} of {len(known)} kinds marked"


def _states(rows: pd.DataFrame) -> tuple[list[str], pd.DataFrame, str]:
    """The columns from left to right, the rows with their `state`, and a sentence on those left
    out."""
    extra = differing(rows, ["train_format", "variant", "retriever", "chunk_size", "top_k"])
    others = [name for name in RUN_COLUMNS if name not in ("dataset", "model")]
    runs = rows[others].drop_duplicates().sort_values(["method", "train_format", "train_size"])
    names = {
        tuple(run.values()): "\n".join(
            lettering.wrapped(lettering.row([state_label(run), *factor_words(run, extra)]), 16)
        )
        for run in runs.to_dict("records")
    }
    kept = list(dict.fromkeys(names.values()))
    states = [names[key] for key in rows[others].itertuples(index=False, name=None)]
    rows, shown = rows.assign(state=states), kept[:MOST_STATES]
    more = len(kept) - len(shown)
    said = f" {more} further model states are in the table." * (more > 0)
    return shown, rows[rows["state"].isin(shown)], said


def _lines(rows: pd.DataFrame) -> tuple[list[dict[str, Any]], str]:
    """The lines from top to bottom: headings, and kinds with their cells by state."""
    lines: list[dict[str, Any]] = []
    several = len(rows[["dataset", "model"]].drop_duplicates()) > 1
    for about, of_data in rows.groupby(["dataset", "model"], sort=True):
        if several:
            lines.append({"label": lettering.row(about), "weight": "bold"})
        for slicing, part in of_data.groupby("slicing", sort=False):
            lines.append({"label": lettering.name(slicing, 40), "weight": "bold"})
            for name, cells in part.groupby("slice", sort=False):
                number = int(cells["n_questions"].max())
                label = f"{lettering.name(name, 30)} ({number:,})"
                by_state = {cell["state"]: cell for cell in cells.to_dict("records")}
                lines.append({"label": label, "weight": "normal", "cells": by_state})
    more = len(lines) - MOST_LINES
    return lines[:MOST_LINES], f" {more} further lines are in the table." * (more > 0)


def _draw(ax: Axes, lines: list[dict[str, Any]], states: list[str], metric: str) -> None:
    known = [
        abs(cell["shrunken"])
        for line in lines
        for cell in line.get("cells", {}).values()
        if is_number(cell["shrunken"])
    ]
    strongest = max([*known, 1e-9])
    for y, line in enumerate(lines):
        for x, state in enumerate(states):
            if (cell := line.get("cells", {}).get(state)) is None:
                continue
            _cell(ax, x, y, cell, strongest, metric)
    ax.set_xlim(-0.5, len(states) - 0.5)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(states)), states)
    ax.set_yticks(range(len(lines)), [line["label"] for line in lines])
    for line, tick in zip(lines, ax.get_yticklabels(), strict=True):
        tick.set_fontweight(line["weight"])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    sns.despine(ax=ax, left=True, bottom=True)


def _cell(ax: Axes, x: int, y: int, cell: dict[str, Any], strongest: float, metric: str) -> None:
    place = ((x - 0.48, y - 0.46), 0.96, 0.92)
    if not is_number(cell["shrunken"]):
        grey = {"facecolor": "#e6e6e6", "hatch": "..", "edgecolor": "white", "linewidth": 0}
        ax.add_patch(Rectangle(*place, **grey))
        return
    colour = _COLOURS(0.5 + 0.5 * _MOST * np.clip(cell["shrunken"] / strongest, -1, 1))
    finding = str(cell["finding"])
    mark = _MARKS.get(finding.split(" ")[0], "")
    ax.add_patch(
        Rectangle(*place, facecolor=colour, edgecolor="black" if mark else "none", linewidth=1.2)
    )
    ax.text(
        x,
        y,
        f"{signed(cell['shrunken'], metric)} {mark}".strip(),
        **{"ha": "center", "va": "center", "fontsize": 9, "color": "black"},
        fontweight="bold" if mark else "normal",
    )
