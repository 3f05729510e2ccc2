"""Stacked bars one below the other, some of whose lines are headings."""

from __future__ import annotations

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from rag_study.report.plots import lettering

Line = tuple[float, str, bool]  # its middle, its name, and whether it is a heading


def say(ax: Axes, x: float, middle: float, words: str) -> Text:
    """Writes into a piece of a bar, legibly on every fill."""
    return ax.text(
        x,
        middle,
        words,
        **{"ha": "center", "va": "center", "fontsize": 9, "color": "black"},
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
    )


def name_lines(ax: Axes, lines: Sequence[Line]) -> None:
    ax.set_yticks([middle for middle, _, _ in lines], [name for _, name, _ in lines])
    for (_, _, is_heading), tick in zip(lines, ax.get_yticklabels(), strict=True):
        tick.set_fontweight("bold" if is_heading else "normal")
    ax.tick_params(axis="y", length=0)


def finished(
    fig: Figure, ax: Axes, height: float, labels: Sequence[tuple[Rectangle, Text]]
) -> Figure:
    """The figure with its lines from top to bottom, `height` in all, without the labels that are
    wider than their pieces."""
    ax.set_ylim(height, 0)
    ax.grid(axis="y", visible=False)
    sns.despine(ax=ax, left=True)
    lettering.drop_what_does_not_fit(fig, labels)
    return fig
