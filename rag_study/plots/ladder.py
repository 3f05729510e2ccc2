"""The check of the judge: its scores of answers of known quality."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rag_study.labels import RUNGS
from rag_study.metrics import METRICS
from rag_study.plots import canvas


@canvas.styled
def judge_ladder(
    ladder: pd.DataFrame, auc_table: pd.DataFrame, invalid_judges: Collection[str] = ()
) -> Figure:
    """Scores of answers of known quality, per judge and criterion and per reference metric.

    `ladder`: judge, question_id, rung ('reworded', 'other_question', 'refusal', 'empty'),
    judge_accuracy, judge_completeness and reference metrics; `auc_table`: scorer (judge or metric
    name), criterion, rung, auc, auc_low, auc_high, n. Beside each rung stands the AUC: how often
    the reworded reference scores higher than an answer of that rung.
    """
    title = "Check of the scorers: answers of known quality"
    if ladder.empty:
        return canvas.nothing(title, "No answer of the check was scored.")
    panels = [
        (judge, metric, ladder[ladder["judge"] == judge])
        for judge in ladder["judge"].unique()
        for metric in METRICS
        if METRICS[metric].judged and metric in ladder
    ]
    once = ladder.drop_duplicates(["question_id", "rung"])
    panels += [
        ("", metric, once) for metric in ladder if metric in METRICS and not METRICS[metric].judged
    ]
    panels = [panel for panel in panels if panel[2][panel[1]].notna().any()]
    if not panels:
        return canvas.nothing(title, "No answer of the check was scored.")
    rungs = [rung for rung in RUNGS if (ladder["rung"] == rung).any()]
    rungs += [rung for rung in ladder["rung"].unique() if rung not in RUNGS]
    caption = (
        f"Dots: answers; boxes: quartiles. n = {once['question_id'].nunique()} questions. "
        "AUC (area under the ROC curve, with 95 % interval): share of pairs in which the reworded "
        "reference scores higher than an answer of this row; 1 is perfect, 0.5 is guessing."
    )
    fig, axes = canvas.layout(
        len(panels),
        panel=(3.7, 0.5 * len(rungs) + 0.8),
        title=title,
        caption=caption,
        columns=2,
        row_labels=1.0,
    )
    for ax, (judge, metric, part) in zip(axes, panels, strict=True):
        invalid = judge in invalid_judges
        canvas.scorer_title(ax, metric, judge, invalid)
        jitter = np.random.default_rng(0)
        for y, rung in enumerate(rungs):
            scores = part.loc[part["rung"] == rung, metric].dropna().to_numpy(dtype=float)
            colour = canvas.GREY if invalid else canvas.series_colour(y)
            heights = y + jitter.uniform(-0.22, 0.22, len(scores))
            ax.plot(scores, heights, ".", color=colour, alpha=0.55, markersize=5)
            if len(scores):
                box = {"color": "#222222", "linewidth": 1.2}
                ax.boxplot(
                    scores,
                    positions=[y],
                    orientation="horizontal",
                    widths=0.55,
                    showfliers=False,
                    manage_ticks=False,
                    boxprops=box,
                    medianprops={**box, "linewidth": 2.4},
                    whiskerprops=box,
                    capprops=box,
                )
            text = _auc_text(auc_table, judge or metric, metric, rung)
            ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
        ax.set_yticks(range(len(rungs)), [RUNGS.get(r, r.replace("_", " ")) for r in rungs])
        ax.set_ylim(len(rungs) - 0.5, -0.5)
        ax.tick_params(labelleft=ax.get_subplotspec().is_first_col())
        low, high = METRICS[metric].low, METRICS[metric].high
        if high is not None:
            ax.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        ax.grid(False, axis="y")
    return fig


def _auc_text(auc_table: pd.DataFrame, scorer: str, criterion: str, rung: str) -> str:
    if rung == "reworded":
        return "AUC against\nthis row:"
    found = auc_table[(auc_table["scorer"] == scorer) & (auc_table["rung"] == rung)]
    if scorer != criterion:
        criteria = found["criterion"].astype(str).str.removeprefix("judge_")
        found = found[criteria == criterion.removeprefix("judge_")]
    if found.empty or math.isnan(found.iloc[0]["auc"]):
        return "AUC unknown"
    row = found.iloc[0]
    return f"AUC {row['auc']:.2f}\n({row['auc_low']:.2f} to {row['auc_high']:.2f})"
