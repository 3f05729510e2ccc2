"""The figures of a study, each drawn from one table and returned as a matplotlib Figure.

Means carry 95 % intervals. Series differ in colour (seaborn's colour-blind safe palette), marker
and line style, so that they can be told apart in a grey print. No function shows a figure: a
notebook displays the returned object, `save` writes it. A table without usable rows gives a
figure that says so.
"""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rag_study.effects import METRICS

METHODS = {"lora": "LoRA", "qlora": "QLoRA", "dora": "DoRA", "rslora": "rsLoRA", "ia3": "IA3"}
TRAIN_FORMATS = {
    "closed_book": "trained closed-book",
    "with_context": "trained with the gold passage",
    "raft": "trained with gold and distractor passages",
}
CONTEXTS = {
    "none": "without passages",
    "retrieved": "with retrieved passages",
    "oracle": "with the gold passages",
    "distractor": "with distractor passages only",
    "counterfactual": "with counterfactual passages",
}
RUNGS = {
    "reworded": "reference,\nreworded",
    "other_question": "answer to an-\nother question",
    "refusal": "refusal",
    "empty": "empty answer",
}
VERDICT_COLOURS = {
    "helps": "#00735a",
    "hurts": "#b3311a",
    "no difference that matters": "#0b5a99",
    "cannot tell": "#7a5b00",
    "no verdict": "#555555",
}
_VERDICT_MARKERS = {
    "helps": ">",
    "hurts": "<",
    "no difference that matters": "s",
    "cannot tell": "D",
    "no verdict": "X",
}
_SETTINGS = ["prompting", "retriever", "chunk_size", "top_k"]
_RECIPE = ["method", "train_format", "seed"]
_STATE_KEYS = [
    *("dataset", "model", "method", "train_format", "train_size", "seed"),
    *_SETTINGS,
    "context",
]
_MOST_FOREST_ROWS = 45
_GREY = "#8a8a8a"
_WARNING = "#b3311a"
_MARKERS = "osD^vPX*"
_LINES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 2, 2))]
_STYLE = {
    **{"font.family": "DejaVu Sans", "font.size": 9, "axes.labelsize": 9, "axes.titlesize": 10},
    **{"xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9},
    "svg.hashsalt": "rag-study",
}


# --- Words shared by figures, tables and report -------------------------------------------------


def metric_label(metric: str) -> str:
    """Name of a metric for people."""
    return METRICS[metric].label if metric in METRICS else metric


def method_label(method: str) -> str:
    return METHODS.get(method, method.replace("_", " "))


def format_label(train_format: str) -> str:
    return TRAIN_FORMATS.get(train_format, f"trained {train_format.replace('_', ' ')}")


def context_label(context: str) -> str:
    return CONTEXTS.get(context, f"with context “{context}”")


def context_rank(context: str) -> int:
    """Position in the order in which contexts are shown; unknown ones come last."""
    return list(CONTEXTS).index(context) if context in CONTEXTS else len(CONTEXTS)


def state_label(row: pd.Series | dict) -> str:
    """Short name of a model state: "base" or, for example, "LoRA 200"."""
    if row["method"] == "none":
        return "base"
    return f"{method_label(row['method'])} {int(row['train_size'])}"


def factor_words(row: pd.Series | dict, columns: Sequence[str]) -> list[str]:
    """Words for some of a run's factors; training factors are left out for the base model."""
    phrases = {
        "method": lambda value: method_label(value),
        "train_format": lambda value: format_label(value),
        "seed": lambda value: f"seed {value}",
        "prompting": lambda value: f"{value} prompting",
        "chunk_size": lambda value: f"chunks of {value} tokens",
        "top_k": lambda value: f"top {value}",
        "judge": lambda value: f"judge {value}",
    }
    skipped = _RECIPE if row["method"] == "none" else []
    shown = [column for column in columns if column not in skipped and row[column] != ""]
    return [phrases.get(column, str)(row[column]) for column in shown]


def differing(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of `columns` in which the runs differ; base rows do not count for training factors."""
    tuned = frame[frame["method"] != "none"]
    return [c for c in columns if (tuned if c in _RECIPE else frame)[c].nunique() > 1]


def untrusted_judges(comparisons: pd.DataFrame) -> set[str]:
    """Judges whose rows `effects.compare` has excluded from verdicts (see its `reason`)."""
    rows = comparisons[comparisons["judge"] != ""]
    excluded = [
        str(reason).startswith(f"judge {judge} ")
        for judge, reason in zip(rows["judge"], rows["reason"], strict=True)
    ]
    return set(rows["judge"][excluded])


# --- Figures ------------------------------------------------------------------------------------


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    @functools.wraps(draw)
    def styled(*args, **kwargs) -> Figure:
        with sns.axes_style("whitegrid"), plt.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
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
        return _nothing(title, f"No run has a mean of {metric_label(metric)} here.", note)
    sizes = sorted({0, *rows["train_size"].astype(int)})
    position = {size: i for i, size in enumerate(sizes)}
    lines = list(_lines_over_sizes(rows))
    labels = list(dict.fromkeys(label for label, _ in lines))
    panels, grid_columns = _panel_keys(rows, ["model"])
    caption = f"{_mean_caption(rows)} “base” is the model before training. {_recipe_caption(rows)}"
    if margin is not None and not math.isnan(margin):
        caption += f" Shaded: base mean ± {margin:g}, the smallest difference that matters."
    fig, axes = _canvas(
        len(panels),
        panel=(max(2.6, 0.7 * len(sizes) + 0.9), 3.0),
        title=title,
        caption=caption,
        note=note,
        handles=[_handle(label, i) for i, label in enumerate(labels)],
        columns=grid_columns,
    )
    for ax, (panel_title, selected) in zip(axes, panels, strict=True):
        ax.set_title(panel_title, loc="left")
        for label, part in lines:
            part = part[selected(part)]
            if part.empty:
                continue
            index = labels.index(label)
            x = np.array([position[int(size)] for size in part["train_size"]])
            x = x + _dodge(index, len(labels))
            _line(ax, x, part["mean"], part["ci_low"], part["ci_high"], index)
            base = part.loc[part["train_size"] == 0, "mean"]
            if margin is not None and not math.isnan(margin) and len(base):
                # Bands over the whole width would hide one another.
                ends = (-0.4, len(sizes) - 0.6) if len(labels) == 1 else x[0] + [-0.045, 0.045]
                low, high = base.iloc[0] - margin, base.iloc[0] + margin
                style = {"color": _colour(index), "linewidth": 0}
                ax.fill_between(ends, low, high, alpha=0.15 if len(labels) == 1 else 0.3, **style)
        ax.set_xticks(range(len(sizes)), ["base", *map(str, sizes[1:])])
        ax.set_xlim(-0.4, len(sizes) - 0.6)
        ax.set_xlabel("training examples")
    _set_scales(axes, metric, rows)
    return fig


@_styled
def context_interaction(summary: pd.DataFrame, metric: str, note: str = "") -> Figure:
    """Mean of a metric by context, one line per model state: does training change how much
    passages help? Panels are models x data sets (x judges). `summary` as `effects.summarise`."""
    title = f"{metric_label(metric)} by context, before and after training"
    rows = _usable(summary[summary["metric"] == metric])
    if rows.empty:
        return _nothing(title, f"No run has a mean of {metric_label(metric)}.", note)
    contexts = sorted(rows["context"].unique(), key=lambda name: (context_rank(name), name))
    extra = differing(rows, ["train_format", "seed", *_SETTINGS])
    rows["trained"] = rows["method"] != "none"
    rows = rows.sort_values(["trained", "method", "train_size"], kind="stable")
    rows["label"] = [
        " · ".join([state_label(row), *factor_words(row, extra)]) for row in rows.to_dict("records")
    ]
    labels = list(rows["label"].unique())
    panels, grid_columns = _panel_keys(rows, ["model", "dataset"])
    explained = {
        "none": "none: the question alone",
        "retrieved": "retrieved: with passages from the retriever",
        "oracle": "oracle: with the passages that hold the answer",
    }
    caption = " ".join(
        [
            _mean_caption(rows),
            "; ".join(explained[c] for c in contexts if c in explained) + ".",
            f"The number in a name is that of training examples. {_recipe_caption(rows)}",
        ]
    )
    fig, axes = _canvas(
        len(panels),
        panel=(max(2.6, 0.85 * len(contexts) + 0.7), 3.0),
        title=title,
        caption=caption,
        note=note,
        handles=[_handle(label, i) for i, label in enumerate(labels)],
        columns=grid_columns,
    )
    for ax, (panel_title, selected) in zip(axes, panels, strict=True):
        ax.set_title(panel_title, loc="left")
        for label, part in rows[selected(rows)].groupby("label", sort=False):
            part = part.sort_values("context", key=lambda names: names.map(context_rank))
            index = labels.index(label)
            x = np.array([contexts.index(name) for name in part["context"]], dtype=float)
            x += _dodge(index, len(labels))
            _line(ax, x, part["mean"], part["ci_low"], part["ci_high"], index)
        ax.set_xticks(range(len(contexts)), contexts)
        ax.set_xlim(-0.4, len(contexts) - 0.6)
        ax.set_xlabel("passages in the prompt")
    _set_scales(axes, metric, rows)
    return fig


@_styled
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
    rows = comparisons[np.isfinite(comparisons["difference"].astype(float))]
    if rows.empty:
        return _nothing(title, "No trained run could be compared with its base.")
    rows, left_out = _most_important(rows)
    invalid = untrusted_judges(comparisons) if invalid_judges is None else set(invalid_judges)
    order = {name: i for i, name in enumerate(METRICS)}
    panels = sorted(
        {(row.metric, row.judge) for row in rows.itertuples()},
        key=lambda key: (order.get(key[0], len(order)), key[1]),
    )
    labels, position = _forest_rows(rows)
    verdicts = [v for v in VERDICT_COLOURS if (rows["primary"] & (rows["verdict"] == v)).any()]
    handles = [
        Line2D([], [], color=VERDICT_COLOURS[v], marker=_VERDICT_MARKERS[v], label=f"primary: {v}")
        for v in verdicts
    ]
    handles += [
        Line2D([], [], color="#333333", marker="o", markerfacecolor="white", label="not primary"),
        Patch(color="#0b5a99", alpha=0.15, label="margin: too small to matter"),
    ]
    clusters = _range(rows["n_clusters"])
    caption = (
        f"Points right of the zero line: higher after training. Lines: 95 % intervals (bootstrap "
        f"over {clusters} independent groups of questions), n = {_range(rows['n_questions'])} "
        f"questions. Only primary comparisons have a verdict. The number in a name is that of "
        f"training examples. {_recipe_caption(rows)}{left_out}"
    )
    fig, axes = _canvas(
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
        _forest_panel(ax, part, position, greyed=judge in invalid)
        families.setdefault(_scale_family(metric), []).append((ax, part))
        _scorer_title(ax, metric, judge, judge in invalid)
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


@_styled
def retrieval_quality(per_k: pd.DataFrame) -> Figure:
    """Recall@k and mean reciprocal rank over the number of retrieved passages k.

    Columns: dataset, k, recall, recall_low, recall_high, mrr, mrr_low, mrr_high, n (questions);
    one line per data set, intervals at 95 %.
    """
    title = "Does the retriever find the passages that hold the answer?"
    if per_k.empty or per_k[["recall", "mrr"]].isna().all(axis=None):
        return _nothing(title, "Retrieval was not measured.")
    datasets = list(per_k["dataset"].unique())
    ks = sorted(per_k["k"].unique())
    caption = (
        f"Recall@k: share of a question's gold passages among the first k. Mean reciprocal rank: "
        f"1 / rank of the first gold passage, 0 if it is not among the first k. 95 % intervals, "
        f"n = {_range(per_k['n'])} questions."
    )
    fig, axes = _canvas(
        2,
        panel=(3.4, 2.8),
        title=title,
        caption=caption,
        handles=[_handle(name, i) for i, name in enumerate(datasets)],
    )
    names = {"recall": "Recall@k", "mrr": "Mean reciprocal rank"}
    for ax, (column, name) in zip(axes, names.items(), strict=True):
        ax.set_title(name, loc="left")
        for index, dataset in enumerate(datasets):
            part = per_k[per_k["dataset"] == dataset].sort_values("k")
            x = np.array([ks.index(k) for k in part["k"]]) + _dodge(index, len(datasets))
            _line(ax, x, part[column], part[f"{column}_low"], part[f"{column}_high"], index)
        ax.set_xticks(range(len(ks)), ks)
        ax.set_xlim(-0.4, len(ks) - 0.6)
        ax.set_xlabel("retrieved passages k")
        ax.set_ylim(-0.02, 1.04)
    return fig


@_styled
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
        return _nothing(title, "No loss was recorded.")
    training, validation = measured["training"], measured["validation"]
    caption = "Cross-entropy per token of the answers, lower is better. One training run."
    if not validation.empty:
        best = validation.loc[validation["validation_loss"].idxmin()]
        caption += (
            f" Lowest validation loss {best['validation_loss']:.3f} at step {int(best['step'])}"
            " (circled)."
        )
    handles = [_handle(f"{name} loss", i) for i, name in enumerate(measured)]
    handles[0].set_marker("")
    fig, (ax,) = _canvas(1, panel=(6.5, 3.0), title=title, caption=caption, handles=handles)
    ax.plot(training["step"], training["train_loss"], color=_colour(0), linestyle=_LINES[0])
    if not validation.empty:
        style = {"color": _colour(1), "linestyle": _LINES[1], "marker": _MARKERS[1]}
        ax.plot(validation["step"], validation["validation_loss"], **style)
        ring = {"marker": "o", "markersize": 13, "markerfacecolor": "none", "color": "#333333"}
        ax.plot([best["step"]], [best["validation_loss"]], linestyle="", **ring)
    ax.set(xlabel="optimiser step", ylabel="loss")
    return fig


@_styled
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
        return _nothing(title, "No answer of the check was scored.")
    rungs = [rung for rung in RUNGS if (ladder["rung"] == rung).any()]
    rungs += [rung for rung in ladder["rung"].unique() if rung not in RUNGS]
    caption = (
        f"Dots: answers; boxes: quartiles. n = {once['question_id'].nunique()} questions. "
        "AUC (area under the ROC curve, with 95 % interval): share of pairs in which the reworded "
        "reference scores higher than an answer of this row; 1 is perfect, 0.5 is guessing."
    )
    fig, axes = _canvas(
        len(panels),
        panel=(3.7, 0.5 * len(rungs) + 0.8),
        title=title,
        caption=caption,
        columns=2,
        row_labels=1.0,
    )
    for ax, (judge, metric, part) in zip(axes, panels, strict=True):
        invalid = judge in invalid_judges
        _scorer_title(ax, metric, judge, invalid)
        jitter = np.random.default_rng(0)
        for y, rung in enumerate(rungs):
            scores = part.loc[part["rung"] == rung, metric].dropna().to_numpy(dtype=float)
            colour = _GREY if invalid else _colour(y)
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


def save(figure: Figure, folder: Path | str, name: str) -> Path:
    """Write `name`.png (150 dpi) and `name`.svg into `folder`, close the figure, and return the
    path of the PNG. The same figure gives the same bytes: no dates, fixed ids in the SVG."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    png = folder / f"{name}.png"
    with plt.rc_context(_STYLE):
        figure.savefig(png, dpi=150, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    return png


# --- Parts --------------------------------------------------------------------------------------


def _canvas(
    n_panels: int,
    *,
    panel: tuple[float, float],
    title: str,
    caption: str = "",
    note: str = "",
    handles: Sequence[Line2D | Patch] = (),
    columns: int = 3,
    row_labels: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure with a header (title, note, legend) and a caption around a grid of panels.

    `panel` is the size of one panel and `row_labels` the room for labels left of the first
    column, both in inches. Header and caption are measured in lines, so that they never run into
    the panels.
    """
    columns = min(columns, n_panels)
    rows = math.ceil(n_panels / columns)
    width = max(6.5, columns * panel[0] + 0.3 + row_labels)
    title_lines = textwrap.wrap(title, int(width * 10.2))
    note_lines = textwrap.wrap(note, int((width - 0.4) * 11.3))
    caption = caption.replace("n = ", "n\u00a0=\u00a0").replace(" %", "\u00a0%")
    caption_lines = textwrap.wrap(caption, int(width * 15))
    longest = max((len(handle.get_label()) for handle in handles), default=0)
    legend_columns = max(1, min(len(handles), int((width - 0.2) / (0.75 + 0.078 * longest))))
    legend_rows = math.ceil(len(handles) / legend_columns)
    heights = {
        "title": 0.12 + 0.23 * len(title_lines),
        "note": 0.2 + 0.2 * len(note_lines) if note else 0.0,
        "legend": 0.12 + 0.2 * legend_rows if handles else 0.0,
    }
    header = sum(heights.values()) + 0.05
    footer = 0.12 + 0.175 * len(caption_lines) if caption else 0.0
    height = header + rows * panel[1] + footer

    fig = plt.figure(figsize=(width, height), layout="constrained")
    # Not in pyplot's list: nothing to leak, and a notebook shows the figure once.
    plt.close(fig)
    body = (0.0, footer / height, 1.0, 1 - (header + footer) / height)
    fig.get_layout_engine().set(rect=body, wspace=0.04, hspace=0.05)
    left = 0.1 / width
    top = height - 0.1
    fig.text(left, top / height, "\n".join(title_lines), fontsize=12, fontweight="bold", va="top")
    top -= heights["title"]
    if note:
        box = {"facecolor": "#fdecea", "edgecolor": _WARNING, "boxstyle": "round,pad=0.35"}
        fig.text(
            left + 0.06 / width,
            (top - 0.04) / height,
            "\n".join(note_lines),
            **{"fontsize": 10, "fontweight": "bold", "color": _WARNING, "va": "top", "bbox": box},
        )
        top -= heights["note"]
    if handles:
        fig.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.0, (top + 0.06) / height),
            ncols=legend_columns,
            frameon=False,
            handlelength=2.8,
        )
    fig.text(left, 0.08 / height, "\n".join(caption_lines), fontsize=9, color="#333333")
    axes = list(fig.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[n_panels:]:
        ax.remove()
    for ax in axes[:n_panels]:
        sns.despine(ax=ax)
    return fig, axes[:n_panels]


def _nothing(title: str, message: str, note: str = "") -> Figure:
    fig, (ax,) = _canvas(1, panel=(6.5, 1.2), title=title, note=note)
    ax.set_axis_off()
    ax.text(0.5, 0.5, message, ha="center", va="center", fontsize=10, transform=ax.transAxes)
    return fig


def _usable(summary: pd.DataFrame) -> pd.DataFrame:
    return summary[np.isfinite(summary["mean"].astype(float))].copy()


def _colour(index: int) -> tuple[float, float, float]:
    palette = sns.color_palette("colorblind")
    return palette[index % len(palette)]


def _handle(label: str, index: int) -> Line2D:
    return Line2D(
        [],
        [],
        color=_colour(index),
        linestyle=_LINES[index % len(_LINES)],
        marker=_MARKERS[index % len(_MARKERS)],
        label=label,
    )


def _line(ax: Axes, x, mean, low, high, index: int) -> None:
    """Means joined by a line, each with its interval drawn from `low` to `high`."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    colour = _colour(index)
    known = np.isfinite(low) & np.isfinite(high)
    ax.vlines(np.asarray(x)[known], low[known], high[known], color=colour, linewidth=1.4)
    for ends in (low, high):
        ax.plot(x, ends, linestyle="", marker="_", markersize=7, color=colour)
    ax.plot(
        x,
        np.asarray(mean, dtype=float),
        color=colour,
        linestyle=_LINES[index % len(_LINES)],
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=6,
        linewidth=1.8,
    )


def _dodge(index: int, count: int) -> float:
    """Sideways shift that keeps the intervals of several lines apart."""
    step = min(0.09, 0.5 / max(count, 1))
    return (index - (count - 1) / 2) * step


def _lines_over_sizes(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(label, rows by train size) of every line: a training recipe, starting at its base model."""
    setting = ["dataset", "model", *_SETTINGS, "judge"]
    named = ["dataset", *differing(rows, [*_RECIPE, *_SETTINGS])]
    for _, part in rows.groupby(setting, sort=True, dropna=False):
        base = part[part["method"] == "none"]
        tuned = part[part["method"] != "none"]
        recipes = [recipe for _, recipe in tuned.groupby(_RECIPE, sort=True)] or [tuned]
        for recipe in recipes:
            line = pd.concat([base, recipe]).sort_values("train_size")
            yield " · ".join(factor_words(line.iloc[-1], named)), line


def _panel_keys(
    rows: pd.DataFrame, columns: list[str]
) -> tuple[list[tuple[str, Callable[[pd.DataFrame], pd.Series]]], int]:
    """(title, row selector) per panel, and how many panels stand side by side. Judges get panels
    of their own where there are several."""
    if rows["judge"].nunique() > 1:
        columns = [*columns, "judge"]
    rows = rows.sort_values(columns)
    panels = []
    for key in rows[columns].drop_duplicates().itertuples(index=False, name=None):
        title = "\n".join(
            textwrap.fill(f"judge: {value}" if column == "judge" else str(value), 28)
            for column, value in zip(columns, key, strict=True)
        )
        panels.append((title, lambda frame, key=key: (frame[columns] == list(key)).all(axis=1)))
    innermost = rows[columns[-1]].nunique()
    return panels, innermost if innermost in (2, 3) else 3


def _set_scales(axes: list[Axes], metric: str, rows: pd.DataFrame) -> None:
    """One y scale for all panels: the metric's own, or a part of it where that hides everything."""
    values = rows[["mean", "ci_low", "ci_high"]].to_numpy(dtype=float)
    least, most = np.nanmin(values), np.nanmax(values)
    known = METRICS.get(metric)
    label = metric_label(metric)
    if known is None or known.high is None:
        low, high = min(0.0, least), most
    elif most - least < 0.2 * (known.high - known.low):
        room = max(0.5 * (most - least), 0.02 * (known.high - known.low))
        low, high = max(known.low, least - room), min(known.high, most + room)
        label += f"\n(part of the scale {known.low:g} to {known.high:g})"
    else:
        low, high = known.low, known.high
    pad = 0.03 * (high - low) or 0.5
    for ax in axes:
        ax.set_ylim(low - pad, high + pad)
        first = ax.get_subplotspec().is_first_col()
        ax.tick_params(labelleft=first)
        if first:
            ax.set_ylabel(label)


def _range(numbers: pd.Series) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _mean_caption(rows: pd.DataFrame) -> str:
    return (
        f"Means with 95 % intervals (bootstrap over groups of questions), "
        f"n = {_range(rows['n_questions'])} questions per point."
    )


def _recipe_caption(rows: pd.DataFrame) -> str:
    """Which training the figure is about, in one sentence; empty without trained runs."""
    tuned = rows[rows["method"] != "none"]
    if tuned.empty:
        return ""
    formats = " or ".join(format_label(f) for f in sorted(tuned["train_format"].unique()))
    methods = ", ".join(method_label(m) for m in sorted(tuned["method"].unique()))
    seeds = sorted(tuned["seed"].unique())
    seed_text = f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return f"Models other than base were {formats} ({methods}, {seed_text})."


def _most_important(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows that fit one readable figure, and a sentence on those left out."""
    primary = rows[rows["primary"]]
    if len(rows[_STATE_KEYS].drop_duplicates()) <= _MOST_FOREST_ROWS or primary.empty:
        return rows, ""
    shown = rows[
        rows["metric"].isin(primary["metric"].unique())
        & rows["context"].isin(primary["context"].unique())
    ]
    left_out = f"{len(rows) - len(shown)} other differences are in the table."
    return shown, f" Only contexts and metrics of the primary comparisons are shown; {left_out}"


def _forest_rows(rows: pd.DataFrame) -> tuple[dict[int, str], dict[tuple, int]]:
    """Row labels by y, and y by (run, context). A heading stands above each data set and model."""
    extra = differing(rows, ["train_format", "seed", *_SETTINGS])
    found = rows[_STATE_KEYS].drop_duplicates()
    found = found.assign(rank=found["context"].map(context_rank))
    found = found.sort_values([*_STATE_KEYS[:-1], "rank"])
    labels, position, heading = {}, {}, None
    for row in found.to_dict("records"):
        if heading != (row["dataset"], row["model"]):
            heading = (row["dataset"], row["model"])
            labels[len(labels)] = " · ".join(heading)
        words = [state_label(row), *factor_words(row, extra), row["context"]]
        position[tuple(row[key] for key in _STATE_KEYS)] = len(labels)
        labels[len(labels)] = " · ".join(words)
    return labels, position


def _forest_panel(ax: Axes, part: pd.DataFrame, position: dict[tuple, int], greyed: bool) -> None:
    if greyed:
        ax.set_facecolor("#ececec")
    ax.axvline(0, color="#333333", linewidth=1)
    for row in part.to_dict("records"):
        y = position[tuple(row[key] for key in _STATE_KEYS)]
        if not math.isnan(row["margin"]):
            ax.fill_betweenx(
                [y - 0.5, y + 0.5],
                -row["margin"],
                row["margin"],
                color=_GREY if greyed else "#0b5a99",
                alpha=0.15,
                linewidth=0,
            )
        colour = _GREY if greyed else "#333333"
        face, marker, size = "white", "o", 5.0
        if row["primary"]:
            colour = face = VERDICT_COLOURS.get(row["verdict"], "#333333")
            marker, size = _VERDICT_MARKERS.get(row["verdict"], "D"), 7.5
        ax.hlines(y, row["ci_low"], row["ci_high"], color=colour, linewidth=2)
        ax.plot(
            [row["difference"]], [y], marker, color=colour, markerfacecolor=face, markersize=size
        )


def _scorer_title(ax: Axes, metric: str, judge: str, invalid: bool) -> None:
    parts = [metric_label(metric), judge, "judge NOT VALID" if invalid else ""]
    title = "\n".join(textwrap.fill(part, 27) for part in parts if part)
    ax.set_title(title, loc="left", color=_WARNING if invalid else "black")


def _scale_family(metric: str) -> tuple:
    known = METRICS.get(metric)
    return (known.low, known.high) if known and known.high is not None else (metric,)


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
