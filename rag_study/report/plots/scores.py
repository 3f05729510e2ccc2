"""How the scores of single answers are spread: what a mean hides."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rag_study.analysis.pairing import RUN_COLUMNS
from rag_study.analysis.states import (
    SETTINGS,
    context_label,
    differing,
    factor_words,
    is_base,
    state_label,
)
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas, lettering
from rag_study.report.plots.captions import NAMES, estimate, span

MOST_ROWS = 36
# The quartiles of scores that are nearly always 0 or 1 say nothing.
_FEWEST_FOR_A_BOX = 5


@canvas.styled
def score_distributions(
    results: pd.DataFrame,
    summary: pd.DataFrame,
    context: str,
    metrics: Sequence[str],
    invalid_judges: Collection[str] = (),
    scales: Metrics = METRICS,
) -> Figure:
    """Every answer's score in one context: one row per model state, one panel per metric (and
    judge), with the mean of `summary` and its interval.

    `results` has one row per run, context, question and judge. Panels of `invalid_judges` are grey
    and say so. At most MOST_ROWS model states are drawn; the caption says how many are not.
    """
    title = f"Scores of single answers, {context_label(context)}"
    here = results[results["context"] == context] if not results.empty else results
    panels = []
    for metric in metrics:
        if here.empty or metric not in here:
            continue
        judges = sorted(set(here["judge"]) - {""}) if scales[metric].judged else [""]
        for judge in judges:
            answers = here[here["judge"] == judge] if judge else here
            answers = answers.drop_duplicates([*RUN_COLUMNS, "question_id"])
            if answers[metric].notna().any():
                panels.append((metric, judge, answers))
    if not panels:
        return canvas.nothing(title, "No answer was scored here.")
    runs, labels, states, left_out = _rows(here)
    caption = (
        f"Dots: single answers, spread out to be seen. Boxes: from the first to the third "
        f"quartile, with the median, where scores take several values. Diamonds: means with 95 % "
        f"intervals (bootstrap over groups of questions), n = "
        f"{span(_numbers(panels), 'question')} per row. {NAMES}{left_out}"
    )
    fig, axes = canvas.layout(
        len(panels),
        panel=(3.0, 0.42 * len(labels) + 0.8),
        title=title,
        caption=caption,
        handles=[
            Line2D([], [], color="#333333", marker="D", markerfacecolor="white", label="mean")
        ],
        columns=2,
        row_labels=0.2 + max(lettering.measured(label, 9) for label in labels),
    )
    facts = []
    for ax, (metric, judge, answers) in zip(axes, panels, strict=True):
        invalid = judge in invalid_judges
        canvas.scorer_title(ax, metric, judge, invalid, scales)
        if invalid:
            ax.set_facecolor("#ececec")
        means = summary[
            (summary["context"] == context)
            & (summary["metric"] == metric)
            & (summary["judge"] == judge)
        ]
        said = []
        for y, run in enumerate(runs):
            is_run = (answers[RUN_COLUMNS] == run).all(axis=1)
            scores = answers.loc[is_run, metric].dropna().to_numpy(dtype=float)
            colour = canvas.GREY if invalid else canvas.series_colour(states[y])
            _draw_row(ax, y, scores, colour)
            mean = means[(means[RUN_COLUMNS] == run).all(axis=1)]
            for row in mean.itertuples():
                ax.hlines(y, row.ci_low, row.ci_high, color="#111111", linewidth=2.2, zorder=4)
                style = {"color": "#111111", "markerfacecolor": "white", "markersize": 6}
                ax.plot([row.mean], [y], "D", zorder=5, **style)
                said.append(f"{labels[y]} {estimate(row._asdict())}")
        name = scales.label(metric) + f" by {judge}" * bool(judge)
        facts.append(f"mean of {name}: {', '.join(said) or 'not known'}")
        ax.set_yticks(range(len(labels)), labels)
        ax.tick_params(labelleft=ax.get_subplotspec().is_first_col())
        ax.set_ylim(len(labels) - 0.4, -0.6)
        low, high = scales[metric].low, scales[metric].high
        if high is not None:
            ax.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        ax.grid(False, axis="y")
    return canvas.described(fig, facts)


def _draw_row(ax, y: int, scores: np.ndarray, colour) -> None:
    if not len(scores):
        ax.text(0.02, y, "not scored", transform=ax.get_yaxis_transform(), va="center", fontsize=9)
        return
    heights = y + np.random.default_rng(y).uniform(-0.3, 0.3, len(scores))
    ax.plot(scores, heights, ".", color=colour, alpha=0.45, markersize=4, rasterized=True)
    if len(np.unique(scores)) < _FEWEST_FOR_A_BOX:
        return
    canvas.box(ax, y, scores, 0.62, "#555555", 1.0, showcaps=False, whis=0)


def _rows(here: pd.DataFrame) -> tuple[list[list], list[str], list[int], str]:
    """The runs in the order of their rows, their labels, the number of the state that each is of
    (whatever its data set and model), and a sentence on those left out."""
    runs = here.drop_duplicates(RUN_COLUMNS)
    runs = runs.assign(trained=~is_base(runs)).sort_values(
        ["dataset", "model", "trained", "train_size", *RUN_COLUMNS[2:]]
    )[RUN_COLUMNS]
    shown = runs.iloc[:MOST_ROWS]
    several = [name for name in ("dataset", "model") if runs[name].nunique() > 1]
    extra = differing(runs, ["train_format", "variant", "seed", *SETTINGS])
    labels, states = [], []
    for row in shown.to_dict("records"):
        state = " · ".join([state_label(row), *factor_words(row, extra)])
        labels.append(lettering.row([*(row[name] for name in several), state]))
        states.append(state)
    order = list(dict.fromkeys(states))
    numbers = [order.index(state) for state in states]
    more = len(runs) - len(shown)
    left_out = f" {more} further model states are in results.csv." * (more > 0)
    return shown.to_numpy(dtype=object).tolist(), labels, numbers, left_out


def _numbers(panels: list[tuple[str, str, pd.DataFrame]]) -> pd.Series:
    counts = [
        answers.groupby(RUN_COLUMNS, dropna=False)[metric].count() for metric, _, answers in panels
    ]
    numbers = pd.concat(counts)
    return numbers[numbers > 0]
