"""Who fell, who rose and who stayed: one bar for each model state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from rag_study.analysis.states import context_label, differing, factor_words, state_label
from rag_study.report.plots import bars, canvas, lettering
from rag_study.report.plots.captions import NAMES, span

MOST_BARS = 30
_ROW = 0.34  # inches; a line of a label takes half of it
_PALETTE = sns.color_palette("colorblind")
_PALE = 0.45  # of those that stayed: the same colour, paler
# Kind -> (words, colour of the palette, whether paler, hatch), from the left end to the right.
_PIECES = {
    "stayed_wrong": ("stayed wrong", 3, True, ""),
    "fell": ("fell: right → wrong", 3, False, "//"),
    "rose": ("rose: wrong → right", 0, False, "\\\\"),
    "stayed_right": ("stayed right", 0, True, ""),
}


@canvas.styled
def flips(rows: pd.DataFrame, words: Callable[[dict[str, Any]], str]) -> Figure:
    """Questions by what became of them, from rows of the table of `flips.flips` of one definition.

    A bar is all questions of a state: right of the middle line those that are right after
    training, left of it those that are wrong. `words` says what a row comes to.
    """
    title = "Who fell and who rose through training"
    if rows.empty:
        return canvas.nothing(title, "No trained model and its base answered the same questions.")
    lines, left_out = _lines(rows, words)
    height = sum(line["height"] for line in lines)
    several = bool((rows["n_seeds"] > 1).any())
    test = "test over groups of questions and seeds" if several else "exact test over groups"
    caption = (
        f"Each bar is all questions, n = {span(rows['n_questions'])}; numbers are questions"
        f"{', means over seeds' * several}. Right of the line: right after training. “Right”: "
        f"{rows['definition'].iloc[0]}. “Beyond chance”: {test}, corrected for the number of "
        f"states. {NAMES}{left_out}"
    )
    fig, (ax,) = canvas.layout(
        1,
        panel=(7.2, 0.55 + height * _ROW),
        title=title,
        caption=caption,
        handles=[Patch(**_look(kind), label=_PIECES[kind][0]) for kind in _PIECES],
    )
    labels = _draw(ax, lines)
    ax.axvline(0, color="black", linewidth=1)
    wrong = max((rows["stayed_wrong"] + rows["fell"]) / rows["n_questions"])
    right = max((rows["stayed_right"] + rows["rose"]) / rows["n_questions"])
    ax.set_xlim(-wrong - 0.02, right + 0.02)
    ticks = [tick / 4 for tick in range(-4, 5) if -wrong <= tick / 4 <= right]
    ax.set_xticks(ticks, [f"{100 * abs(tick):.0f} %" for tick in ticks])
    ax.set_xlabel("wrong after training  ←  share of questions  →  right after training")
    facts = [line["fact"] for line in lines if line["row"]]
    return canvas.described(bars.finished(fig, ax, height, labels), facts)


def _lines(
    rows: pd.DataFrame, words: Callable[[dict[str, Any]], str]
) -> tuple[list[dict[str, Any]], str]:
    """The lines of the figure from top to bottom (headings and bars), with heights in rows, and a
    sentence on bars left out."""
    extra = differing(rows, ["train_format", "variant", "retriever", "chunk_size", "top_k"])
    lines, heading, several = [], None, len(rows[["dataset", "model"]].drop_duplicates()) > 1
    for row in rows.iloc[:MOST_BARS].to_dict("records"):
        about = (row["dataset"], row["model"], context_label(row["context"]))
        if heading != about:
            heading = about
            lines.append({"label": lettering.bar_label(heading), "row": None})
        state = [state_label(row), *factor_words(row, extra)]
        said = "\n".join(lettering.wrapped(words(row), 34))
        fact = _fact(row, [*(about[:2] if several else ()), *state, about[2]], words(row))
        label = f"{lettering.bar_label(state)}\n{said}"
        lines.append({"label": label, "row": row, "fact": fact})
    for line in lines:
        line["height"] = 0.5 * (line["label"].count("\n") + 1) + 0.3
    more = len(rows) - MOST_BARS
    return lines, f" {more} further bars are in the table." * (more > 0)


def _fact(row: dict[str, Any], about: Sequence[str], comes_to: str) -> str:
    """A bar in words."""
    kinds = ("fell", "rose", "stayed_right", "stayed_wrong")
    pieces = [f"{_amount(row, kind)} {kind.replace('_', ' ')}" for kind in kinds]
    return f"{', '.join(about)}: {', '.join(pieces)} ({comes_to})"


def _draw(ax: Axes, lines: list[dict[str, Any]]) -> list[tuple[Rectangle, Text]]:
    """Draws the bars; returns each piece with its label."""
    top, labels, ticks = 0.0, [], []
    for line in lines:
        middle = top + line["height"] / 2
        top += line["height"]
        ticks.append((middle, line["label"], line["row"] is None))
        if line["row"] is None:
            continue
        row = line["row"]
        left = -(row["stayed_wrong"] + row["fell"]) / row["n_questions"]
        for kind in _PIECES:
            share = row[kind] / row["n_questions"]
            if share <= 0:
                continue
            (piece,) = ax.barh(middle, share, 0.8, left, **_look(kind), linewidth=0.8)
            text = bars.say(ax, left + share / 2, middle, _amount(row, kind))
            labels.append((piece, text))
            left += share
    bars.name_lines(ax, ticks)
    return labels


def _amount(row: dict[str, Any], kind: str) -> str:
    return f"{row[kind]:,.0f}" if row["n_seeds"] == 1 else f"{row[kind]:,.1f}"


def _look(kind: str) -> dict[str, Any]:
    _, index, pale, hatch = _PIECES[kind]
    colour = _PALETTE[index]
    if pale:
        colour = tuple(1 - _PALE * (1 - part) for part in colour)
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white"}
