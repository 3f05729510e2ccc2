"""Scores of answers of the same merit in other styles: does a score go with length or form?"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rag_study.common.wording import counted
from rag_study.evaluation.judging.style import FORMS, LENGTHS, MERITS
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas

_MARKS = {"restated": "P", "list": "X", "passage": "D"}
_SHORT = {"restated": "question said again", "list": "list", "passage": "passage's words"}


@canvas.styled
def style_means(
    table: pd.DataFrame, invalid_judges: Collection[str] = (), metrics: Metrics = METRICS
) -> Figure:
    """Mean score against the words of an answer, one panel per score, one line per merit.

    `table` is that of `styles_of_answers.style_means`. The lines are the styles of LENGTHS, the
    marks beside them those of FORMS. Panels of `invalid_judges` say so.
    """
    title = "The same merit in other styles"
    if table.empty:
        return canvas.nothing(title, "No answers of known merit were scored in several styles.")
    caption = (
        "Mean score of right and of wrong answers that differ in style alone, with 95 % intervals "
        "over questions; the words that decide are the same everywhere. A score that treats styles "
        "alike is level. Lines: the answer alone, in a sentence, and with further words; marks: "
        "other forms."
    )
    order = list(metrics)
    panels = sorted(
        table[["metric", "judge"]].drop_duplicates().itertuples(index=False, name=None),
        key=lambda pair: (order.index(pair[0]), pair[1]),
    )
    handles = [canvas.legend_handle(merit, i) for i, merit in enumerate(MERITS)]
    handles += [
        Line2D([], [], color="#444444", marker=_MARKS[name], linestyle="", label=_SHORT[name])
        for name in FORMS
        if (table["style"] == name).any()
    ]
    fig, axes = canvas.layout(
        len(panels), panel=(3.1, 2.5), title=title, caption=caption, handles=handles, columns=3
    )
    facts = []
    for ax, (metric, judge) in zip(axes, panels, strict=True):
        part = table[(table["metric"] == metric) & (table["judge"] == judge)]
        means = part.groupby(["merit", "style"])[["words", "mean", "ci_low", "ci_high"]].mean()
        canvas.scorer_title(ax, metric, judge, judge in invalid_judges, metrics)
        said = []
        for i, merit in enumerate(MERITS):
            if merit not in means.index.get_level_values("merit"):
                continue
            of_merit = means.loc[merit]
            line = of_merit.reindex([name for name in LENGTHS if name in of_merit.index])
            canvas.mean_line(
                ax, 1 + line["words"], line["mean"], line["ci_low"], line["ci_high"], i
            )
            if len(line):
                first, last = line.iloc[0], line.iloc[-1]
                ends = [counted(round(end["words"]), "word") for end in (first, last)]
                said.append(
                    f"{merit} answers from {first['mean']:.2f} ({ends[0]}) to "
                    f"{last['mean']:.2f} ({ends[1]})"
                )
            for name in (name for name in FORMS if name in of_merit.index):
                at = of_merit.loc[name]
                colour = canvas.series_colour(i)
                ax.vlines(1 + at["words"], at["ci_low"], at["ci_high"], color=colour, linewidth=1)
                ax.plot(1 + at["words"], at["mean"], _MARKS[name], color=colour, markersize=7)
        ax.set_xscale("log")
        ticks = [2, 5, 10, 20, 50, 100, 200]
        ax.set_xticks([1 + tick for tick in ticks], [str(tick) for tick in ticks])
        ax.minorticks_off()
        low, high = metrics[metric].low, metrics[metric].high
        if high is not None:
            ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        if ax.get_subplotspec().is_last_row():
            ax.set_xlabel("words of the answer")
        facts.append(f"{metrics.label(metric)}{f' by {judge}' * bool(judge)}: {', '.join(said)}")
    return canvas.described(fig, facts)
