"""Means of a metric: over the number of training examples, and by context."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rag_study.analysis.states import (
    RECIPE,
    SETTINGS,
    context_label,
    context_rank,
    differing,
    factor_words,
    is_base,
    passages_label,
    state_label,
)
from rag_study.answering.conditions import CONDITIONS
from rag_study.common.wording import counted
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas, lettering
from rag_study.report.plots.captions import NAMES, estimate, mean_caption, meaning, recipe_caption


@canvas.styled
def train_size_curves(
    summary: pd.DataFrame,
    metric: str,
    context: str,
    margin: float | None = None,
    note: str = "",
    metrics: Metrics = METRICS,
) -> Figure:
    """Mean of a metric over the number of training examples, the figure of arXiv 2406.11201.

    `summary` is the table of `effects.summarise`. One panel per model (and judge), one line per
    data set (and per training recipe or setting where the study has several); size 0 is the base
    model. `margin`, in the metric's unit, is shaded around each base mean. The full scale of the
    metric is shown unless everything would lie within a fifth of it. `note` is set in a box.
    """
    title = f"{metrics.label(metric)} by number of training examples, {context_label(context)}"
    rows = _usable(summary, metric)
    rows = rows[rows["context"] == context] if len(rows) else rows
    if rows.empty:
        return canvas.nothing(title, f"No run has a mean of {metrics.label(metric)} here.", note)
    untrained = (rows["train_size"] == 0) & ~is_base(rows)
    levels, rows = rows[untrained], rows[~untrained]
    if rows.empty:  # answers of another system alone
        return canvas.nothing(title, "Neither a base nor a trained model has a mean here.", note)
    sizes = sorted({0, *rows["train_size"].astype(int)})
    position = {size: i for i, size in enumerate(sizes)}
    lines = list(_lines_over_sizes(rows))
    labels = list(dict.fromkeys(label for label, _ in lines))
    several = ["dataset"] if rows["dataset"].nunique() > 1 else []
    told = differing(levels[levels["method"] == "none"], ["seed", *SETTINGS])
    levels = levels.assign(
        label=[
            " · ".join([*(row[name] for name in several), state_label(row), *words])
            for row in levels.to_dict("records")
            for words in [factor_words(row, told) if row["method"] == "none" else []]
        ]
    )
    level_labels = list(levels["label"].unique())
    panels, grid_columns = canvas.panel_keys(rows, ["model"])
    everything = pd.concat([rows, levels])
    caption = (
        f"{meaning(metric, metrics)} {mean_caption(rows)} “base” is the model before training. "
        f"{recipe_caption(everything)}"
    )
    if margin is not None and not math.isnan(margin):
        caption += f" Shaded: base mean ± {margin:g}, the smallest difference that matters."
    if level_labels:
        caption += " Dotted: states without training examples, in a band their 95 % interval."
    facts = []
    fig, axes = canvas.layout(
        len(panels),
        panel=(max(2.6, 0.7 * len(sizes) + 0.9), 3.0),
        title=title,
        caption=caption,
        note=note,
        handles=[
            *(canvas.legend_handle(label, i) for i, label in enumerate(labels)),
            *(canvas.level_handle(name, len(labels) + i) for i, name in enumerate(level_labels)),
        ],
        columns=grid_columns,
    )
    for ax, (panel_title, selected) in zip(axes, panels, strict=True):
        ax.set_title(panel_title, loc="left")
        where = f"{' '.join(panel_title.split())}, " * (len(panels) > 1)
        for row in levels[selected(levels)].itertuples():
            index = len(labels) + level_labels.index(row.label)
            canvas.level_line(ax, row.mean, row.ci_low, row.ci_high, index)
            facts.append(f"{where}{row.label}: {estimate(row._asdict())}")
        for label, part in lines:
            part = part[selected(part)]
            if part.empty:
                continue
            index = labels.index(label)
            x = np.array([position[int(size)] for size in part["train_size"]])
            x = x + canvas.dodge(index, len(labels))
            canvas.mean_line(ax, x, part["mean"], part["ci_low"], part["ci_high"], index)
            steps = [f"{estimate(row)} {_examples(row)}" for row in part.to_dict("records")]
            facts.append(f"{where}{label}: {', '.join(steps)}")
            base = part.loc[part["train_size"] == 0, "mean"]
            if margin is not None and not math.isnan(margin) and len(base):
                # Bands over the whole width would hide one another.
                ends = (-0.4, len(sizes) - 0.6) if len(labels) == 1 else x[0] + [-0.045, 0.045]
                low, high = base.iloc[0] - margin, base.iloc[0] + margin
                style = {"color": canvas.series_colour(index), "linewidth": 0}
                ax.fill_between(ends, low, high, alpha=0.15 if len(labels) == 1 else 0.3, **style)
        ax.set_xticks(range(len(sizes)), ["base", *map(str, sizes[1:])])
        ax.set_xlim(-0.4, len(sizes) - 0.6)
        ax.set_xlabel("training examples")
    canvas.set_scales(axes, metric, everything, metrics)
    return canvas.described(fig, facts)


def _examples(row: dict[str, Any]) -> str:
    size = int(row["train_size"])
    return f"with {counted(size, 'example')}" if size else "before training"


@canvas.styled
def context_interaction(
    summary: pd.DataFrame, metric: str, note: str = "", metrics: Metrics = METRICS
) -> Figure:
    """Mean of a metric by context, one line per model state: does training change how much
    passages help? Panels are models x data sets (x judges). `summary` as `effects.summarise`."""
    title = f"{metrics.label(metric)} by passages in the prompt, before and after training"
    rows = _usable(summary, metric)
    if rows.empty:
        return canvas.nothing(title, f"No run has a mean of {metrics.label(metric)}.", note)
    contexts = sorted(rows["context"].unique(), key=lambda name: (context_rank(name), name))
    extra = differing(rows, ["train_format", "variant", "seed", *SETTINGS])
    rows["other"], rows["trained"] = ~is_base(rows), rows["method"] != "none"
    rows = rows.sort_values(["other", "trained", "method", "train_size"], kind="stable")
    rows["label"] = [
        " · ".join([state_label(row), *factor_words(row, extra)]) for row in rows.to_dict("records")
    ]
    labels = list(rows["label"].unique())
    panels, grid_columns = canvas.panel_keys(rows, ["model", "dataset"])
    known = [c for c in contexts if c in CONDITIONS]
    shown = [f"{passages_label(c)}: {CONDITIONS[c].shown}" for c in known]
    caption = " ".join(
        [
            meaning(metric, metrics),
            mean_caption(rows),
            f"{'; '.join(shown)[:1].upper()}{'; '.join(shown)[1:]}." * bool(shown),
            f"Marks of several states stand beside one another. {NAMES} {recipe_caption(rows)}",
        ]
    )
    fig, axes = canvas.layout(
        len(panels),
        panel=(max(2.6, 0.95 * len(contexts) + 0.7), 3.1),
        title=title,
        caption=caption,
        note=note,
        handles=[canvas.legend_handle(label, i) for i, label in enumerate(labels)],
        columns=grid_columns,
    )
    facts = []
    for ax, (panel_title, selected) in zip(axes, panels, strict=True):
        ax.set_title(panel_title, loc="left")
        where = f"{' '.join(panel_title.split())}, " * (len(panels) > 1)
        for label, part in rows[selected(rows)].groupby("label", sort=False):
            part = part.sort_values("context", key=lambda names: names.map(context_rank))
            index = labels.index(label)
            x = np.array([contexts.index(name) for name in part["context"]], dtype=float)
            x += canvas.dodge(index, len(labels))
            canvas.mean_line(ax, x, part["mean"], part["ci_low"], part["ci_high"], index)
            means = [
                f"{estimate(row)} {context_label(row['context'])}"
                for row in part.to_dict("records")
            ]
            facts.append(f"{where}{label}: {', '.join(means)}")
        names = ["\n".join(lettering.wrapped(passages_label(name), 12)) for name in contexts]
        ax.set_xticks(range(len(contexts)), names)
        ax.set_xlim(-0.4, len(contexts) - 0.6)
        ax.set_xlabel("passages in the prompt")
    canvas.set_scales(axes, metric, rows, metrics)
    return canvas.described(fig, facts)


def _usable(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of a metric that have a mean."""
    if summary.empty:
        return summary
    has_mean = np.isfinite(summary["mean"].astype(float))
    return summary[has_mean & (summary["metric"] == metric)].copy()


def _lines_over_sizes(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(label, rows by train size) of every line: a training recipe, starting at its base model."""
    setting = ["dataset", "model", *SETTINGS, "judge"]
    named = ["dataset", *differing(rows, [*RECIPE, *SETTINGS])]
    for _, part in rows.groupby(setting, sort=True, dropna=False):
        base = part[part["method"] == "none"]
        tuned = part[part["method"] != "none"]
        recipes = [recipe for _, recipe in tuned.groupby(RECIPE, sort=True)] or [tuned]
        for recipe in recipes:
            line = pd.concat([base, recipe]).sort_values("train_size")
            yield " · ".join(factor_words(line.iloc[-1], named)), line
