"""Stacked bars of the categories of `decomposition`: one bar for each model state."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from rag_study.analysis.decomposition import CATEGORIES, FOLLOWS, Right
from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.states import (
    SETTINGS,
    category_label,
    differing,
    factor_words,
    is_base,
    state_label,
)
from rag_study.report.plots import bars, canvas, lettering
from rag_study.report.plots.captions import NAMES, span

MOST_BARS = 40
_ROW = 0.34  # inches from bar to bar; a line of a label takes half of it
# (colour of the palette, hatch). Shades of one part of the story share a colour.
_PALETTE = sns.color_palette("colorblind")
_FILLS = {
    "right, also without passages": (0, ""),
    "right, only with passages": (9, ""),
    "right": (0, ""),
    "generation failure": (1, "//"),
    "retrieval miss": (8, "\\\\"),
    "retrieval miss, wrong with gold too": (3, "xx"),
    "retrieval miss, gold not tried": (8, "--"),
    "answered the unanswerable": (4, ".."),
    "wrong, gold unknown": (5, "++"),
    "not scored": (7, ""),
    "follows context": (0, ""),
    "names both": (9, "//"),
    "follows memory": (1, "\\\\"),
    "neither": (7, ".."),
}


@canvas.styled
def loss_decomposition(shares: pd.DataFrame, right: Right, note: str = "") -> Figure:
    """Where right and wrong answers come from, from the table of `decomposition.shares`.

    `right` is the definition that the table was made with, and stands in the caption. `note` is
    set in a box: what could not be told apart, say.
    """
    title = "Where answers with retrieved passages go wrong"
    return _stacked(shares, right, title, note, CATEGORIES)


@canvas.styled
def context_or_memory(shares: pd.DataFrame, right: Right, note: str = "") -> Figure:
    """What answers follow where the passages contradict the right answer, from the `shares` of
    `decomposition.follow`."""
    title = "Context or memory: answers to passages with a changed fact"
    return _stacked(shares, right, title, note, FOLLOWS)


def _stacked(
    shares: pd.DataFrame, right: Right, title: str, note: str, categories: dict[str, str]
) -> Figure:
    if shares.empty:
        return canvas.nothing(title, "No question was answered for this figure.", note)
    # In the order of the story, from good to bad, which is that of the fills.
    shown = [c for c in _FILLS if c in categories and (shares["category"] == c).any()]
    rows, left_out = _bars(shares)
    height = sum(row["height"] for row in rows)
    caption = (
        f"Shares of questions, n = {span(shares['n_questions'])} per bar; each question is in one "
        f"category. “Right”: {right}. Intervals, and shares too narrow for a label, are in the "
        f"table. {NAMES}{left_out}"
    )
    fig, (ax,) = canvas.layout(
        1,
        panel=(7.2, 0.55 + height * _ROW),
        title=title,
        caption=caption,
        note=note,
        handles=[_patch(category) for category in shown],
    )
    labels = _draw(ax, rows, shares, shown)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("share of questions")
    facts = [_fact(row, shares, shown) for row in rows if row["run"]]
    return canvas.described(bars.finished(fig, ax, height, labels), facts)


def _bars(shares: pd.DataFrame) -> tuple[list[dict], str]:
    """The lines of the figure from top to bottom (headings and bars), and a sentence on bars left
    out. Heights are in rows."""
    extra = differing(shares, ["train_format", "variant", "seed", *SETTINGS])
    runs = shares[RUN_COLUMNS].drop_duplicates()
    runs = runs.assign(trained=~is_base(runs)).sort_values(
        ["dataset", "model", "trained", "train_size", *RUN_COLUMNS[2:]]
    )
    rows, heading, several = [], None, len(runs[["dataset", "model"]].drop_duplicates()) > 1
    for run in runs[RUN_COLUMNS].iloc[:MOST_BARS].to_dict("records"):
        if heading != (run["dataset"], run["model"]):
            heading = (run["dataset"], run["model"])
            rows.append({"label": lettering.bar_label(heading), "run": None})
        words = [state_label(run), *factor_words(run, extra)]
        name = ", ".join([*(heading if several else ()), *words])
        rows.append({"label": lettering.bar_label(words), "run": run, "name": name})
    for row in rows:
        row["height"] = max(1.0, 0.5 * (row["label"].count("\n") + 1) + 0.15)
    more = len(runs) - MOST_BARS
    return rows, f" {more} further model states are in the table." * (more > 0)


def _draw(
    ax: Axes, rows: list[dict], shares: pd.DataFrame, shown: list[str]
) -> list[tuple[Rectangle, Text]]:
    """Draws the bars; returns each piece with its label."""
    top, labels, ticks = 0.0, [], []
    for row in rows:
        middle = top + row["height"] / 2
        top += row["height"]
        ticks.append((middle, row["label"], row["run"] is None))
        if row["run"] is None:
            continue
        share_of = _shares_of(row, shares)
        left = 0.0
        for category in shown:
            share = float(share_of.get(category, 0.0))
            if share <= 0:
                continue
            colour, hatch = _fill(category)
            style = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.8}
            (piece,) = ax.barh(middle, share, 0.74, left, **style)
            text = bars.say(ax, left + share / 2, middle, f"{share:.0%}".replace("%", "\u2009%"))
            labels.append((piece, text))
            left += share
    bars.name_lines(ax, ticks)
    return labels


def _shares_of(row: dict, shares: pd.DataFrame) -> pd.Series:
    of_run = shares[(shares[RUN_COLUMNS] == list(row["run"].values())).all(axis=1)]
    return of_run.set_index("category")["share"]


def _fact(row: dict, shares: pd.DataFrame, shown: list[str]) -> str:
    """A bar in words."""
    share_of = _shares_of(row, shares)
    parts = [(float(share_of.get(category, 0.0)), category_label(category)) for category in shown]
    said = [f"{100 * share:.0f} % “{words}”" for share, words in parts if share > 0]
    return f"{row['name']}: {', '.join(said)}"


def _fill(category: str) -> tuple[tuple[float, float, float], str]:
    index, hatch = _FILLS[category]
    return _PALETTE[index], hatch


def _patch(category: str) -> Patch:
    colour, hatch = _fill(category)
    return Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=category_label(category))
