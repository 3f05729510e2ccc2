"""The figures of a study, each drawn from one table and returned as a matplotlib Figure.

Means carry 95 % intervals. Series differ in colour (seaborn's colour-blind safe palette), marker
and line style, so that they can be told apart in a grey print. No function shows a figure: a
notebook displays the returned object, `save` writes it. A table without usable rows gives a
figure that says so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rag_study import canvas, forest
from rag_study.labels import (
    RECIPE,
    SETTINGS,
    against_base,
    context_label,
    context_rank,
    differing,
    factor_words,
    is_base,
    mean_caption,
    metric_label,
    recipe_caption,
    span,
    state_label,
    untrusted_judges,
)
from rag_study.metrics import METRICS


@canvas.styled
def train_size_curves(
    summary: pd.DataFrame,
    metric: str,
    context: str,
    margin: float | None = None,
    note: str = "",
) -> Figure:
    """Mean of a metric over the number of training examples, the figure of arXiv 2406.11201.

    `summary` is the table of `effects.summarise`. One panel per model (and judge), one line per
    data set (and per training recipe or setting where the study has several); size 0 is the base
    model. `margin`, in the metric's unit, is shaded around each base mean. The full scale of the
    metric is shown unless everything would lie within a fifth of it. `note` is set in a box.
    """
    title = f"{metric_label(metric)} by number of training examples, {context_label(context)}"
    rows = _usable(summary[(summary["metric"] == metric) & (summary["context"] == context)])
    if rows.empty:
        return canvas.nothing(title, f"No run has a mean of {metric_label(metric)} here.", note)
    untrained = (rows["train_size"] == 0) & ~is_base(rows)
    levels, rows = rows[untrained], rows[~untrained]
    sizes = sorted({0, *rows["train_size"].astype(int)})
    position = {size: i for i, size in enumerate(sizes)}
    lines = list(_lines_over_sizes(rows))
    labels = list(dict.fromkeys(label for label, _ in lines))
    several = ["dataset"] if rows["dataset"].nunique() > 1 else []
    levels = levels.assign(
        label=[
            " · ".join([*(row[name] for name in several), state_label(row)])
            for row in levels.to_dict("records")
        ]
    )
    level_labels = list(levels["label"].unique())
    panels, grid_columns = canvas.panel_keys(rows, ["model"])
    everything = pd.concat([rows, levels])
    caption = (
        f"{mean_caption(rows)} “base” is the model before training. {recipe_caption(everything)}"
    )
    if margin is not None and not math.isnan(margin):
        caption += f" Shaded: base mean ± {margin:g}, the smallest difference that matters."
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
        for row in levels[selected(levels)].itertuples():
            index = len(labels) + level_labels.index(row.label)
            canvas.level_line(ax, row.mean, row.ci_low, row.ci_high, index)
        for label, part in lines:
            part = part[selected(part)]
            if part.empty:
                continue
            index = labels.index(label)
            x = np.array([position[int(size)] for size in part["train_size"]])
            x = x + canvas.dodge(index, len(labels))
            canvas.mean_line(ax, x, part["mean"], part["ci_low"], part["ci_high"], index)
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
    canvas.set_scales(axes, metric, everything)
    return fig


@canvas.styled
def context_interaction(summary: pd.DataFrame, metric: str, note: str = "") -> Figure:
    """Mean of a metric by context, one line per model state: does training change how much
    passages help? Panels are models x data sets (x judges). `summary` as `effects.summarise`."""
    title = f"{metric_label(metric)} by context, before and after training"
    rows = _usable(summary[summary["metric"] == metric])
    if rows.empty:
        return canvas.nothing(title, f"No run has a mean of {metric_label(metric)}.", note)
    contexts = sorted(rows["context"].unique(), key=lambda name: (context_rank(name), name))
    extra = differing(rows, ["train_format", "variant", "seed", *SETTINGS])
    rows["trained"] = rows["method"] != "none"
    rows = rows.sort_values(["trained", "method", "train_size"], kind="stable")
    rows["label"] = [
        " · ".join([state_label(row), *factor_words(row, extra)]) for row in rows.to_dict("records")
    ]
    labels = list(rows["label"].unique())
    panels, grid_columns = canvas.panel_keys(rows, ["model", "dataset"])
    explained = {
        "none": "none: the question alone",
        "retrieved": "retrieved: with passages from the retriever",
        "oracle": "oracle: with the passages that hold the answer",
        "training": "training: questions that were trained on, without passages",
    }
    caption = " ".join(
        [
            mean_caption(rows),
            "; ".join(explained[c] for c in contexts if c in explained) + ".",
            f"The number in a name is that of training examples. {recipe_caption(rows)}",
        ]
    )
    fig, axes = canvas.layout(
        len(panels),
        panel=(max(2.6, 0.85 * len(contexts) + 0.7), 3.0),
        title=title,
        caption=caption,
        note=note,
        handles=[canvas.legend_handle(label, i) for i, label in enumerate(labels)],
        columns=grid_columns,
    )
    for ax, (panel_title, selected) in zip(axes, panels, strict=True):
        ax.set_title(panel_title, loc="left")
        for label, part in rows[selected(rows)].groupby("label", sort=False):
            part = part.sort_values("context", key=lambda names: names.map(context_rank))
            index = labels.index(label)
            x = np.array([contexts.index(name) for name in part["context"]], dtype=float)
            x += canvas.dodge(index, len(labels))
            canvas.mean_line(ax, x, part["mean"], part["ci_low"], part["ci_high"], index)
        ax.set_xticks(range(len(contexts)), contexts)
        ax.set_xlim(-0.4, len(contexts) - 0.6)
        ax.set_xlabel("passages in the prompt")
    canvas.set_scales(axes, metric, rows)
    return fig


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


@canvas.styled
def retrieval_quality(per_k: pd.DataFrame) -> Figure:
    """Recall@k and mean reciprocal rank over the number of retrieved passages k.

    Columns: dataset, k, recall, recall_low, recall_high, mrr, mrr_low, mrr_high, n (questions);
    one line per data set, intervals at 95 %.
    """
    title = "Does the retriever find the passages that hold the answer?"
    if per_k.empty or per_k[["recall", "mrr"]].isna().all(axis=None):
        return canvas.nothing(title, "Retrieval was not measured.")
    datasets = list(per_k["dataset"].unique())
    ks = sorted(per_k["k"].unique())
    caption = (
        f"Recall@k: share of a question's gold passages among the first k. Mean reciprocal rank: "
        f"1 / rank of the first gold passage, 0 if it is not among the first k. 95 % intervals, "
        f"n = {span(per_k['n'])} questions."
    )
    fig, axes = canvas.layout(
        2,
        panel=(3.4, 2.8),
        title=title,
        caption=caption,
        handles=[canvas.legend_handle(name, i) for i, name in enumerate(datasets)],
    )
    names = {"recall": "Recall@k", "mrr": "Mean reciprocal rank"}
    for ax, (column, name) in zip(axes, names.items(), strict=True):
        ax.set_title(name, loc="left")
        for index, dataset in enumerate(datasets):
            part = per_k[per_k["dataset"] == dataset].sort_values("k")
            x = np.array([ks.index(k) for k in part["k"]]) + canvas.dodge(index, len(datasets))
            canvas.mean_line(
                ax, x, part[column], part[f"{column}_low"], part[f"{column}_high"], index
            )
        ax.set_xticks(range(len(ks)), ks)
        ax.set_xlim(-0.4, len(ks) - 0.6)
        ax.set_xlabel("retrieved passages k")
        ax.set_ylim(-0.02, 1.04)
    return fig


@canvas.styled
def loss_curve(history: pd.DataFrame) -> Figure:
    """Training and validation loss over optimiser steps.

    Columns: step, train_loss, validation_loss (nats per token of the completion; NaN where not
    measured). The lowest validation loss is marked.
    """
    title = "Loss during training"
    measured = {
        name: history.dropna(subset=[column])
        for name, column in (("training", "train_loss"), ("validation", "validation_loss"))
    }
    if all(part.empty for part in measured.values()):
        return canvas.nothing(title, "No loss was recorded.")
    training, validation = measured["training"], measured["validation"]
    caption = "Cross-entropy per token of the answers, lower is better. One training run."
    if not validation.empty:
        best = validation.loc[validation["validation_loss"].idxmin()]
        caption += (
            f" Lowest validation loss {best['validation_loss']:.3f} at step {int(best['step'])}"
            " (circled)."
        )
    handles = [canvas.legend_handle(f"{name} loss", i) for i, name in enumerate(measured)]
    handles[0].set_marker("")
    fig, (ax,) = canvas.layout(1, panel=(6.5, 3.0), title=title, caption=caption, handles=handles)
    ax.plot(
        training["step"],
        training["train_loss"],
        color=canvas.series_colour(0),
        linestyle=canvas.LINES[0],
    )
    if not validation.empty:
        style = {
            "color": canvas.series_colour(1),
            "linestyle": canvas.LINES[1],
            "marker": canvas.MARKERS[1],
        }
        ax.plot(validation["step"], validation["validation_loss"], **style)
        ring = {"marker": "o", "markersize": 13, "markerfacecolor": "none", "color": "#333333"}
        ax.plot([best["step"]], [best["validation_loss"]], linestyle="", **ring)
    ax.set(xlabel="optimiser step", ylabel="loss")
    return fig


def save(figure: Figure, folder: Path | str, name: str) -> Path:
    """Write `name`.png (150 dpi) and `name`.svg into `folder`, close the figure, and return the
    path of the PNG. No dates go in, and ids in the SVG are fixed as far as matplotlib allows."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    png = folder / f"{name}.png"
    with plt.rc_context(canvas.STYLE):
        figure.savefig(png, dpi=150, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    return png


# --- Parts --------------------------------------------------------------------------------------


def _usable(summary: pd.DataFrame) -> pd.DataFrame:
    return summary[np.isfinite(summary["mean"].astype(float))].copy()


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
