"""The forest plot: what training changed, with intervals, margins and verdicts."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rag_study.labels import against_base, recipe_caption, span, untrusted_judges
from rag_study.metrics import METRICS
from rag_study.plots import canvas, forest


@canvas.styled
def effects_forest(
    comparisons: pd.DataFrame, invalid_judges: Collection[str] | None = None
) -> Figure:
    """Differences trained minus base with 95 % intervals: one row per model state and context,
    one panel per metric (and judge).

    `comparisons` is the table of `effects.compare`. Judged metrics share one x scale, metrics from
    0 to 1 another. The margin is shaded; primary comparisons are filled, in the colour and shape of
    their verdict. Panels of `invalid_judges` (default: those that the table's reasons name) are
    grey and say so.
    """
    title = "What training changed: difference to the base model"
    rows = against_base(comparisons)
    rows = rows[np.isfinite(rows["difference"].astype(float))]
    if rows.empty:
        return canvas.nothing(title, "No trained run could be compared with its base.")
    rows, left_out = forest.most_important(rows)
    invalid = untrusted_judges(comparisons) if invalid_judges is None else set(invalid_judges)
    order = {name: i for i, name in enumerate(METRICS)}
    panels = sorted(
        {(row.metric, row.judge) for row in rows.itertuples()},
        key=lambda key: (order.get(key[0], len(order)), key[1]),
    )
    labels, position = forest.labelled_rows(rows)
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=forest.VERDICT_MARKERS[verdict],
            label=f"primary: {verdict}",
        )
        for verdict, colour in forest.VERDICT_COLOURS.items()
        if (rows["primary"] & (rows["verdict"] == verdict)).any()
    ]
    handles += [
        Line2D([], [], color="#333333", marker="o", markerfacecolor="white", label="not primary"),
        Patch(color="#0b5a99", alpha=0.15, label="margin: too small to matter"),
    ]
    clusters = span(rows["n_clusters"])
    caption = (
        f"Points right of the zero line: higher after training. Lines: 95 % intervals (bootstrap "
        f"over {clusters} independent groups of questions), n = {span(rows['n_questions'])} "
        f"questions. Only primary comparisons have a verdict. The number in a name is that of "
        f"training examples. {recipe_caption(rows)}{left_out}"
    )
    fig, axes = canvas.layout(
        len(panels),
        panel=(2.3, 0.26 * len(labels) + 0.75),
        title=title,
        caption=caption,
        handles=handles,
        columns=2 if len(panels) == 4 else 3,
        row_labels=0.088 * max(map(len, labels.values())),
    )
    families = {}
    for ax, (metric, judge) in zip(axes, panels, strict=True):
        part = rows[(rows["metric"] == metric) & (rows["judge"] == judge)]
        forest.draw_panel(ax, part, position, greyed=judge in invalid)
        families.setdefault(forest.scale_family(metric), []).append((ax, part))
        canvas.scorer_title(ax, metric, judge, judge in invalid)
        ax.set_yticks(list(labels), list(labels.values()))
        for tick, y in zip(ax.get_yticklabels(), labels, strict=True):
            if y not in position.values():
                tick.set_fontweight("bold")
        ax.tick_params(labelleft=ax.get_subplotspec().is_first_col())
        ax.set_ylim(max(labels) + 0.6, -0.6)
        ax.grid(False, axis="y")
    for members in families.values():
        values = pd.concat([part for _, part in members])
        edges = values[["ci_low", "ci_high", "difference"]].to_numpy(dtype=float)
        margin = np.nan_to_num(values["margin"].to_numpy(dtype=float)).max()
        reach = 1.08 * max(np.nanmax(np.abs(edges)), 1.3 * margin, 1e-3)
        for ax, _ in members:
            ax.set_xlim(-reach, reach)
    return fig
