"""What the figures of a study have in common: style, layout, scales, and the marks of a series."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import figure
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rag_study.common.shown import shortened, visible
from rag_study.common.wording import counted
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import lettering
from rag_study.report.plots.svg import follow_colours

GREY = "#8a8a8a"
WARNING = "#b3311a"
MARKERS = "osD^vPX*"
LINES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 2, 2))]
STYLE = {
    "font.family": lettering.FONT,
    # Names hold dollar signs.
    "text.parse_math": False,
    "text.usetex": False,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "svg.hashsalt": "rag-study",
}
# For the legend of what shades differences that are too small to matter.
MARGIN = Patch(color="#0b5a99", alpha=0.15, label="margin: too small to matter")
_MOST_FACTS, _FACT = 12, 400  # of an alternative text, and characters of each


class Figure(figure.Figure):
    """A figure with `alt`, what is seen on it in words, for those who do not see it."""

    alt = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """What a notebook shows, the alternative text beside the picture."""
        from IPython.core.pylabtools import print_figure

        return {"image/png": print_figure(self, base64=True)}, {"image/png": {"alt": self.alt}}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: draw in the style of the study's figures, whatever the caller has set."""

    @functools.wraps(draw)
    def styled(*args, **kwargs) -> Figure:
        with sns.axes_style("whitegrid"), plt.rc_context(STYLE):
            figure = draw(*args, **kwargs)
            lettering.set_fonts(figure)
            return figure

    return styled


def layout(
    n_panels: int,
    *,
    panel: tuple[float, float],
    title: str,
    caption: str = "",
    note: str = "",
    handles: Sequence[Line2D | Patch] = (),
    columns: int = 3,
    row_labels: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure with a header (title, note, legend) and a caption around a grid of panels.

    `panel` is the size of one panel and `row_labels` the room for labels left of the first
    column, both in inches. Header and caption are measured in lines, so that they never run into
    the panels.
    """
    columns = min(columns, n_panels)
    rows = math.ceil(n_panels / columns)
    width = max(6.5, columns * panel[0] + 0.3 + row_labels)
    title, caption, note = map(lettering.legible, (title, caption, note))
    title_lines = lettering.fitted(title, width - 0.2, 12, "bold")
    note_lines = lettering.fitted(note, width - 0.4, 10, "bold")
    caption = caption.strip().replace("n = ", "n\u00a0=\u00a0").replace(" %", "\u00a0%")
    caption_lines = lettering.fitted(caption, width - 0.2, 9)
    legend_columns, legend_rows = _fit_legend(handles, width - 0.2)
    heights = {
        "title": 0.12 + 0.23 * len(title_lines),
        "note": 0.2 + 0.2 * len(note_lines) if note else 0.0,
        "legend": 0.12 + 0.2 * legend_rows if handles else 0.0,
    }
    header = sum(heights.values()) + 0.05
    footer = 0.12 + 0.175 * len(caption_lines) if caption else 0.0
    height = header + rows * panel[1] + footer

    fig = plt.figure(FigureClass=Figure, figsize=(width, height), layout="constrained")
    fig.alt = title if title.endswith("?") else f"{title}."
    # Not in pyplot's list: nothing to leak, and a notebook shows the figure once.
    plt.close(fig)
    body = (0.0, footer / height, 1.0, 1 - (header + footer) / height)
    fig.get_layout_engine().set(rect=body, wspace=0.04, hspace=0.05)
    left = 0.1 / width
    top = height - 0.1
    fig.text(left, top / height, "\n".join(title_lines), fontsize=12, fontweight="bold", va="top")
    top -= heights["title"]
    if note:
        box = {"facecolor": "#fdecea", "edgecolor": WARNING, "boxstyle": "round,pad=0.35"}
        fig.text(
            left + 0.06 / width,
            (top - 0.04) / height,
            "\n".join(note_lines),
            **{"fontsize": 10, "fontweight": "bold", "color": WARNING, "va": "top", "bbox": box},
        )
        top -= heights["note"]
    if handles:
        fig.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.0, (top + 0.06) / height),
            ncols=legend_columns,
            frameon=False,
            handlelength=2.8,
        )
    fig.text(left, 0.08 / height, "\n".join(caption_lines), fontsize=9, color="#333333")
    axes = list(fig.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[n_panels:]:
        ax.remove()
    for ax in axes[:n_panels]:
        sns.despine(ax=ax)
    return fig, axes[:n_panels]


def _fit_legend(handles: Sequence[Line2D | Patch], width: float) -> tuple[int, int]:
    """How many columns and lines a legend of this width has, in inches; its labels are folded
    where one alone is wider."""
    labels = lettering.names([handle.get_label() for handle in handles])
    folded = ["\n".join(lettering.fitted(label, width - 0.75, 9)) for label in labels]
    for handle, label in zip(handles, folded, strict=True):
        handle.set_label(label)
    longest = max((lettering.measured(label, 9) for label in labels), default=0.0)
    columns = max(1, min(len(handles), int(width / (0.75 + longest))))
    if columns == 1:
        return 1, sum(1 + label.count("\n") for label in folded)
    return columns, math.ceil(len(handles) / columns)


def nothing(title: str, message: str, note: str = "") -> Figure:
    """A figure that only says why there is nothing to draw."""
    fig, (ax,) = layout(1, panel=(6.5, 1.2), title=title, note=note)
    ax.set_axis_off()
    ax.text(0.5, 0.5, message, ha="center", va="center", fontsize=10, transform=ax.transAxes)
    return described(fig, [message])


def described(fig: Figure, facts: Collection[str]) -> Figure:
    """The figure, its alternative text with what is seen: the title, and the first of `facts`."""
    said = "; ".join(shortened(fact.rstrip("."), _FACT) for fact in list(facts)[:_MOST_FACTS])
    more = len(facts) - _MOST_FACTS
    rest = f"; {counted(more, 'further value')} in the table" if more > 0 else ""
    fig.alt = visible(" ".join(f"{fig.alt} {said}{rest}.".split()))
    return fig


def panel_keys(
    rows: pd.DataFrame, columns: list[str]
) -> tuple[list[tuple[str, Callable[[pd.DataFrame], pd.Series]]], int]:
    """(title, row selector) per panel, and how many panels stand side by side. Judges get panels
    of their own where there are several."""
    if rows["judge"].nunique() > 1:
        columns = [*columns, "judge"]
    rows = rows.sort_values(columns)
    panels = []
    for key in rows[columns].drop_duplicates().itertuples(index=False, name=None):
        parts = [
            f"judge: {value}" if column == "judge" else str(value)
            for column, value in zip(columns, key, strict=True)
        ]
        title = lettering.heading(parts, 28)
        panels.append((title, lambda frame, key=key: (frame[columns] == list(key)).all(axis=1)))
    innermost = rows[columns[-1]].nunique()
    return panels, innermost if innermost in (2, 3) else 3


def set_scales(
    axes: list[Axes], metric: str, rows: pd.DataFrame, metrics: Metrics = METRICS
) -> None:
    """One y scale for all panels: the metric's own, or a part of it where that hides everything."""
    values = rows[["mean", "ci_low", "ci_high"]].to_numpy(dtype=float)
    least, most = np.nanmin(values), np.nanmax(values)
    scale, label = metrics.get(metric), lettering.heading([metrics.label(metric)], 36)
    if scale is None or scale.high is None:
        low, high = min(0.0, least), most
    elif most - least < 0.2 * (scale.high - scale.low):
        room = max(0.5 * (most - least), 0.02 * (scale.high - scale.low))
        low, high = max(scale.low, least - room), min(scale.high, most + room)
        label += f"\n(part of the scale {scale.low:g} to {scale.high:g})"
    else:
        low, high = scale.low, scale.high
    pad = 0.03 * (high - low) or 0.5
    for ax in axes:
        ax.set_ylim(low - pad, high + pad)
        first = ax.get_subplotspec().is_first_col()
        ax.tick_params(labelleft=first)
        if first:
            ax.set_ylabel(label)


def scorer_title(
    ax: Axes, metric: str, judge: str, invalid: bool, metrics: Metrics = METRICS
) -> None:
    """Head a panel with its metric and judge, and say so where the judge is not trusted."""
    parts = [metrics.label(metric), judge, "judge NOT TRUSTED" if invalid else ""]
    title = lettering.heading(parts, 27)
    ax.set_title(title, loc="left", color=WARNING if invalid else "black")


def series_colour(index: int) -> tuple[float, float, float]:
    """Colour of the series at this position, from the colour-blind safe palette."""
    palette = sns.color_palette("colorblind")
    return palette[index % len(palette)]


def legend_handle(label: str, index: int) -> Line2D:
    """Colour, line style and marker of the series at this position, for a legend."""
    return Line2D(
        [],
        [],
        color=series_colour(index),
        linestyle=LINES[index % len(LINES)],
        marker=MARKERS[index % len(MARKERS)],
        label=label,
    )


def level_handle(label: str, index: int) -> Line2D:
    """As `legend_handle`, for a mean that holds at every place of the x axis."""
    return Line2D([], [], color=series_colour(index), linestyle=":", linewidth=2, label=label)


def level_line(ax: Axes, mean: float, low: float, high: float, index: int) -> None:
    """A mean across the whole panel, with its interval as a band."""
    colour = series_colour(index)
    ax.axhline(mean, color=colour, linestyle=":", linewidth=2)
    ax.axhspan(low, high, color=colour, alpha=0.10, linewidth=0)


def mean_line(ax: Axes, x, mean, low, high, index: int) -> None:
    """Means joined by a line, each with its interval drawn from `low` to `high`."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    colour = series_colour(index)
    bounded = np.isfinite(low) & np.isfinite(high)
    ax.vlines(np.asarray(x)[bounded], low[bounded], high[bounded], color=colour, linewidth=1.4)
    for ends in (low, high):
        ax.plot(x, ends, linestyle="", marker="_", markersize=7, color=colour)
    ax.plot(
        x,
        np.asarray(mean, dtype=float),
        color=colour,
        linestyle=LINES[index % len(LINES)],
        marker=MARKERS[index % len(MARKERS)],
        markersize=6,
        linewidth=1.8,
    )


def box(
    ax: Axes, y: int, scores: np.ndarray, width: float, colour: str, line: float, **options: Any
) -> None:
    """A lying box of scores at the height `y`; `options` are those of matplotlib's boxplot."""
    look = {"color": colour, "linewidth": line}
    ax.boxplot(
        scores,
        positions=[y],
        orientation="horizontal",
        widths=width,
        showfliers=False,
        manage_ticks=False,
        boxprops=look,
        medianprops={**look, "linewidth": 2 * line},
        whiskerprops=look,
        capprops=look,
        **options,
    )


def dodge(index: int, count: int) -> float:
    """Sideways shift that keeps the intervals of several lines apart."""
    step = min(0.09, 0.5 / max(count, 1))
    return (index - (count - 1) / 2) * step


def save(fig: Figure, folder: Path | str, name: str) -> Path:
    """Write `name`.png (150 dpi) and `name`.svg, which has the alternative text, into `folder`,
    close the figure, and return the path of the PNG. No dates go in, and ids in the SVG are fixed
    as far as matplotlib allows."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    png = folder / f"{name}.png"
    svg = png.with_suffix(".svg")
    with plt.rc_context(STYLE):
        fig.savefig(png, dpi=150, metadata={"Software": None})
        fig.savefig(svg, dpi=150, metadata={"Date": None, "Title": fig.alt})
    plt.close(fig)
    follow_colours(svg)
    return png
