"""Parts of the forest plot: which rows it has, and how the differences of a panel are drawn."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.states import (
    SETTINGS,
    context_label,
    context_rank,
    differing,
    factor_words,
    passages_label,
    state_label,
)
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import lettering
from rag_study.report.plots.canvas import GREY
from rag_study.report.verdict_looks import LOOKS, NO_LOOK

STATE = [*RUN_COLUMNS, "context"]
_MOST_ROWS = 45
_STEPS = [step * 10.0**power for power in range(-6, 7) for step in (1, 2, 2.5, 5)]


def most_important(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows that fit one readable figure, and a sentence on those left out."""
    primary = rows[rows["primary"]]
    if len(rows[STATE].drop_duplicates()) <= _MOST_ROWS or primary.empty:
        return rows, ""
    shown = rows[
        rows["metric"].isin(primary["metric"].unique())
        & rows["context"].isin(primary["context"].unique())
    ]
    left_out = f"{len(rows) - len(shown)} other differences are in the table."
    return shown, f" Only passages and metrics of the verdicts are shown; {left_out}"


def state_words(rows: pd.DataFrame) -> dict[tuple, list[str]]:
    """What each run of the rows is called, its settings where they differ."""
    extra = differing(rows, ["train_format", "variant", "seed", *SETTINGS])
    return {
        tuple(run.values()): [state_label(run), *factor_words(run, extra)]
        for run in rows[RUN_COLUMNS].drop_duplicates().to_dict("records")
    }


def labelled_rows(rows: pd.DataFrame) -> tuple[dict[int, str], dict[tuple, int]]:
    """Row labels by y, and y by (run, context). A heading stands above each data set and model,
    and above each state where there are several contexts; without a context there is none."""
    named = state_words(rows)
    states = rows[STATE].drop_duplicates()
    states = states.assign(rank=states["context"].map(context_rank))
    states = states.sort_values([*STATE[:-1], "rank"])
    contexts = states["context"].unique()
    alone = context_label(contexts[0]) if len(contexts) == 1 and contexts[0] else ""
    labels, position, heading, state = {}, {}, None, None
    for row in states.to_dict("records"):
        run = tuple(row[name] for name in RUN_COLUMNS)
        if heading != (row["dataset"], row["model"]):
            heading, state = (row["dataset"], row["model"]), None
            labels[len(labels)] = lettering.row(filter(None, (*heading, alone)))
        if len(contexts) > 1 and state != run:
            state = run
            labels[len(labels)] = lettering.row(named[run])
        position[*run, row["context"]] = len(labels)
        words = [passages_label(row["context"])] if len(contexts) > 1 else named[run]
        labels[len(labels)] = lettering.row(words)
    return labels, position


def draw_panel(ax: Axes, part: pd.DataFrame, position: dict[tuple, int], greyed: bool) -> None:
    """One metric's differences at the heights of `position`, with margin and verdict."""
    if greyed:
        ax.set_facecolor("#ececec")
    ax.axvline(0, color="#333333", linewidth=1)
    for row in part.to_dict("records"):
        y = position[tuple(row[key] for key in STATE)]
        if not math.isnan(row["margin"]):
            ax.fill_betweenx(
                [y - 0.5, y + 0.5],
                -row["margin"],
                row["margin"],
                color=GREY if greyed else "#0b5a99",
                alpha=0.15,
                linewidth=0,
            )
        colour = GREY if greyed else "#333333"
        face, marker, size = "white", "o", 5.0
        if row["primary"]:
            look = LOOKS.get(row["verdict"], NO_LOOK)
            colour = face = look.colour
            marker, size = look.marker, 7.5
        ax.hlines(y, row["ci_low"], row["ci_high"], color=colour, linewidth=2)
        ax.plot(
            [row["difference"]], [y], marker, color=colour, markerfacecolor=face, markersize=size
        )


def set_scale(ax: Axes, reach: float) -> None:
    """A scale from -reach to reach: zero and a round number on both sides, with lines between them,
    so that names fit side by side in any panel."""
    step = max((step for step in _STEPS if step <= 0.85 * reach), default=reach / 2)
    ax.set_xticks([-step, 0, step])
    ax.set_xticks([place * step / 2 for place in range(-5, 6)], minor=True)
    ax.grid(True, axis="x", which="minor", linewidth=0.5)
    ax.tick_params(which="minor", length=0)
    ax.set_xlim(-reach, reach)


def scale_words(metric: str, metrics: Metrics = METRICS) -> str:
    """Of which scale differences of a metric are: "on the scale 1 to 5"; '' where it has no end."""
    scale = metrics.get(metric)
    ends = scale is not None and scale.high is not None
    return f"on the scale {scale.low:g} to {scale.high:g}" if ends else ""


def scale_family(metric: str, metrics: Metrics = METRICS) -> tuple:
    """Metrics of the same family share an x scale."""
    scale = metrics.get(metric)
    return (scale.low, scale.high) if scale and scale.high is not None else (metric,)
