"""The judge's check as pictures: its scores of answers of known quality, and its calibration."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rag_study.evaluation.judging.ladder import FAMILIES, GENERAL, RIGHT_RUNGS, RUNGS
from rag_study.evaluation.judging.validity import TOGETHER, WRONG
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas
from rag_study.report.plots.captions import span

RIGHT = ("gold", "paraphrase")
# Places of canvas.series_colour: of answers that are right, wrong, and in part either.
_RIGHT_COLOUR, _WRONG_COLOUR, _PART_COLOUR = 0, 1, 2
_PARTLY = ("truncated", "corrupted")
_ROW = 0.235  # inches


@canvas.styled
def judge_ladder(
    ladder: pd.DataFrame,
    auc_table: pd.DataFrame,
    invalid_judges: Collection[str] = (),
    metrics: Metrics = METRICS,
) -> Figure:
    """Scores of answers of known quality, per judge and criterion and per reference metric.

    `ladder`: judge, question_id, rung, and a column for each metric; `auc_table`: those rows of
    `validity.ladder_auc` that compare with right or with wrong answers. Rungs stand by family;
    beside each stands its AUC: how often a right answer scores higher than one of that rung, or,
    where the rung is right itself, one of it higher than a wrong answer.
    """
    title = "Check of the scorers: answers of known quality"
    if ladder.empty:
        return canvas.nothing(title, "No answer of the check was scored.")
    judged = [name for name in metrics.judged if name in ladder]
    panels = [
        (judge, metric, part)
        for judge, part in ladder.groupby("judge", sort=False)
        for metric in judged
    ]
    several = ["dataset"] if "dataset" in ladder else []
    once = ladder.drop_duplicates([*several, "question_id", "rung"])
    # What counts refusals sorts refusals from the rest by its definition.
    others = [name for name in metrics if name not in (*judged, "refusal_rate")]
    panels += [("", name, once) for name in others if name in ladder]
    panels = [panel for panel in panels if panel[2][panel[1]].notna().any()]
    if not panels:
        return canvas.nothing(title, "No answer of the check was scored.")
    rows = _rows({rung for rung in RUNGS if (ladder["rung"] == rung).any()})
    labels = [RUNGS.get(rung, family) for family, rung in rows]
    questions = once.groupby("rung")["question_id"].nunique()
    caption = (
        f"Dots: answers; boxes: quartiles; n = {span(questions, 'question')} in a row. Blue: "
        "right, "
        "orange: wrong, green: wrong or missing in part. At the right the AUC (area under the ROC "
        "curve) with its 95 % interval: for rows that are wrong, the share of pairs in which a "
        "right answer (the first two rows) scores higher than one of the row; for rows that are "
        "right, in which one of the row scores higher than a wrong answer (one wrong fact, or "
        "another question's). 1 is perfect, 0.5 is guessing. Empty answers and refusals are scored "
        "by rule."
    )
    facts = []
    fig, axes = canvas.layout(
        len(panels),
        panel=(3.6, _ROW * len(rows) + 0.9),
        title=title,
        caption=caption,
        columns=3,
        row_labels=2.2,
    )
    for ax, (judge, metric, part) in zip(axes, panels, strict=True):
        invalid = judge in invalid_judges
        canvas.scorer_title(ax, metric, judge, invalid, metrics)
        jitter = np.random.default_rng(0)
        said = []
        beside = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 9}
        for y, (_, rung) in enumerate(rows):
            if not rung:
                if y:
                    ax.axhline(y - 0.5, color=canvas.GREY, linewidth=0.8)
                continue
            scores = part.loc[part["rung"] == rung, metric].dropna().to_numpy(dtype=float)
            _scores(ax, y, scores, canvas.GREY if invalid else _colour(rung), jitter)
            if rung not in RIGHT:
                text = _auc_text(auc_table, judge or metric, metric, rung)
                ax.text(1.02, y, text, **beside)
                said.append((text, RUNGS[rung]))
        ax.text(1.02, 0, "AUC", fontweight="bold", **beside)
        ax.set_yticks(range(len(rows)), labels)
        for label, (_, rung) in zip(ax.get_yticklabels(), rows, strict=True):
            label.set_fontweight("normal" if rung else "bold")
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.tick_params(labelleft=ax.get_subplotspec().is_first_col())
        low, high = metrics[metric].low, metrics[metric].high
        if high is not None:
            ax.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        ax.grid(False, axis="y")
        name = metrics.label(metric) + f" by {judge}" * bool(judge) + ", not trusted" * invalid
        # As words, AUCs are in the order of their numbers.
        least = min(said, default=("unknown", "no kind of answer"))
        facts.append(f"{name}: lowest AUC {least[0]}, for “{least[1]}”")
    return canvas.described(fig, facts)


def _rows(present: Collection[str]) -> list[tuple[str, str]]:
    """(family, rung) from top to bottom; each family begins with a row of its name, rung ""."""
    found = []
    for family, rungs in FAMILIES.items():
        of_family = [*(RIGHT if family == GENERAL else ()), *rungs]
        shown = [(family, rung) for rung in of_family if rung in present]
        found += [(family, ""), *shown] if shown else []
    return found


def _colour(rung: str) -> tuple[float, float, float]:
    if rung in _PARTLY:
        return canvas.series_colour(_PART_COLOUR)
    right = rung in (*RIGHT, *RIGHT_RUNGS)
    return canvas.series_colour(_RIGHT_COLOUR if right else _WRONG_COLOUR)


@canvas.styled
def calibration(table: pd.DataFrame, judge: str, valid: bool, metrics: Metrics = METRICS) -> Figure:
    """Mean score of a judge by the grade that the answers deserve: one panel per criterion.

    `table` is that of `validity.calibration`.
    """
    title = "Do the scores mean what they say?"
    if table.empty:
        return canvas.nothing(title, "No answer whose grade is known was scored.")
    criteria: Sequence[str] = list(table["criterion"].unique())
    caption = (
        "Mean score of the ladder's answers by the grade that they deserve, with 95 % intervals, "
        f"n = {span(table['n'], 'question')} per point. Dotted: scores that equal the grade. A "
        "judge "
        "that is off the line may still put answers into the right order, which the AUCs show."
    )
    facts = []
    fig, axes = canvas.layout(
        len(criteria), panel=(3.0, 2.7), title=title, caption=caption, columns=3
    )
    for ax, name in zip(axes, criteria, strict=True):
        part = table[table["criterion"] == name].sort_values("deserves")
        metric = f"judge_{name}"
        canvas.scorer_title(ax, metric, judge, not valid, metrics)
        ax.plot([1, 5], [1, 5], linestyle=":", color=canvas.GREY)
        canvas.mean_line(ax, part["deserves"], part["mean"], part["low"], part["high"], 0)
        ax.set(xlim=(0.8, 5.2), ylim=(0.8, 5.2), xticks=range(1, 6), yticks=range(1, 6))
        ax.set_xlabel("grade that the answers deserve")
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel("mean score")
        points = [f"{row.mean:.2f} where {row.deserves:g} is deserved" for row in part.itertuples()]
        facts.append(f"{metrics.label(metric)}: {', '.join(points)}")
    return canvas.described(fig, facts)


def _scores(
    ax: Axes, y: int, scores: np.ndarray, colour: object, jitter: np.random.Generator
) -> None:
    heights = y + jitter.uniform(-0.22, 0.22, len(scores))
    ax.plot(scores, heights, ".", color=colour, alpha=0.55, markersize=5, rasterized=True)
    if len(scores):
        canvas.box(ax, y, scores, 0.6, "#222222", 1.2)


def _auc_text(auc_table: pd.DataFrame, scorer: str, metric: str, rung: str) -> str:
    if auc_table.empty:
        return "unknown"
    criterion = metric.removeprefix("judge_") if scorer != metric else ""
    aucs = auc_table[
        (auc_table["scorer"] == scorer)
        & (auc_table["criterion"] == criterion)
        & (
            (auc_table["rung"] == rung) & (auc_table["higher"] == TOGETHER)
            | (auc_table["rung"] == WRONG) & (auc_table["higher"] == rung)
        )
    ]
    if aucs.empty or math.isnan(aucs.iloc[0]["auc"]):
        return "unknown"
    # Of several data sets the one on which the scorer does worst.
    row = aucs.sort_values("auc_low").iloc[0]
    return f"{row['auc']:.2f} ({row['auc_low']:.2f}–{row['auc_high']:.2f})"
