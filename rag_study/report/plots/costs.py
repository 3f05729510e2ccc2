"""What a change cost: time, tokens and memory against the effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rag_study.analysis.effects import of_recipes
from rag_study.analysis.pairing import ALL_SEEDS, RUN_COLUMNS
from rag_study.analysis.state_costs import COLUMNS
from rag_study.analysis.states import (
    SETTINGS,
    against_base,
    context_label,
    differing,
    factor_words,
    state_label,
)
from rag_study.common.wording import is_number, signed
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas, lettering
from rag_study.report.plots.captions import NAMES, estimate, recipe_caption, span

AXES = {
    "training_minutes": "training time (minutes)",
    "training_tokens": "tokens trained on",
    "training_memory_mb": "peak memory of\ntraining (MB)",
    "tokens_per_answer": "tokens per answer\n(prompt and answer)",
}


@canvas.styled
def cost_against_effect(
    comparisons: pd.DataFrame,
    costs: pd.DataFrame,
    metric: str,
    context: str,
    judge: str = "",
    metrics: Metrics = METRICS,
) -> Figure:
    """Difference to the base against what it cost: panels for each data set and model by kind of
    cost (AXES), one mark per model state with its 95 % interval.

    `comparisons` is the table of `effects.compare`, `costs` that of `state_costs`. A prompt without
    training costs no training. Where a recipe was trained with several seeds, the mark is for all
    of them, at their mean cost.
    """
    title = f"What a change of {metrics.in_text(metric)} cost, {context_label(context)}"
    rows = with_costs(comparisons, costs, metric, context, judge)
    measured = [name for name in AXES if not rows.empty and rows[name].notna().any()]
    if not measured:
        return canvas.nothing(title, "Neither a difference nor its cost is known here.")
    extra = differing(rows, ["train_format", "variant", "seed", *SETTINGS])
    rows["label"] = [
        " · ".join([state_label(row), *factor_words(row, extra)]) for row in rows.to_dict("records")
    ]
    labels = list(dict.fromkeys(rows["label"]))
    groups = list(rows.groupby(["dataset", "model"], sort=True))
    unknown = [AXES[name] for name in AXES if name not in measured]
    caption = (
        "Up is better. Vertical lines: 95 % intervals, n = "
        f"{span(rows['n_questions'], 'question')}. "
        + f"Scored by {judge}. "
        * bool(judge)
        + f"Time (without loading the model) and memory are those of the machines that ran the "
        f"study. Marks at the same place are moved apart a little. {NAMES} {recipe_caption(rows)}"
        + f" Not recorded: {', '.join(unknown)}."
        * bool(unknown)
    )
    handles = [canvas.legend_handle(label, i) for i, label in enumerate(labels)]
    for handle in handles:
        handle.set_linestyle("")
    handles += [canvas.MARGIN] * bool(np.isfinite(rows["margin"].astype(float)).any())
    alone = len(groups) == 1
    fig, axes = canvas.layout(
        len(groups) * len(measured),
        panel=(3.1, 2.9) if alone else (2.5, 2.3),
        title=title,
        caption=caption,
        handles=handles,
        columns=2 if alone else len(measured),
    )
    pairs = [(group, name) for group in groups for name in measured]
    ends = rows[["ci_low", "ci_high", "difference"]].astype(float)
    low, high = ends.min().min(), ends.max().max()
    for ax, (((dataset, model), part), name) in zip(axes, pairs, strict=True):
        _draw(ax, part[part[name].notna()], name, labels, rows[name])
        ax.set_ylim(low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1))
        first = ax.get_subplotspec().is_first_col()
        ax.tick_params(labelleft=first)
        if first:
            label = lettering.heading([metrics.label(metric)], 30)
            ax.set_ylabel(f"difference to the base,\n{label}")
        if first and not alone:
            ax.set_title(lettering.heading([dataset, model], 30), loc="left")
        if alone or ax.get_subplotspec().is_last_row():
            ax.set_xlabel(AXES[name])
    facts = [_fact(row, metric, measured, several=not alone) for row in rows.to_dict("records")]
    return canvas.described(fig, facts)


def _fact(row: dict[str, Any], metric: str, measured: list[str], several: bool) -> str:
    """A state with its difference and its costs, in words."""
    about = f"{row['model']} on {row['dataset']}, " * several
    found = estimate(row, "difference", lambda value: signed(value, metric))
    costs = [
        f"{' '.join(AXES[n].split())} {row[n]:,.{0 if row[n] >= 100 else 2}f}"
        for n in measured
        if is_number(row[n])
    ]
    return f"{about}{row['label']}: {', '.join([found, *costs])}"


def _draw(ax: Axes, part: pd.DataFrame, name: str, labels: list[str], costs: pd.Series) -> None:
    """The marks of one panel; `costs` are those of all panels of its kind, which share a scale."""
    ax.axhline(0, color="#333333", linewidth=1)
    margin = part["margin"].max()
    if np.isfinite(margin):
        ax.axhspan(-margin, margin, color="#0b5a99", alpha=0.12, linewidth=0)
    least = costs.min() if name == "tokens_per_answer" else 0.0
    # Less than a tenth of what it costs is no difference to look at.
    width = max(costs.max() - least, 0.1 * costs.max()) or 1.0
    for row in part.to_dict("records"):
        index = labels.index(row["label"])
        x = [row[name] + 0.15 * canvas.dodge(index, len(labels)) * width]
        canvas.mean_line(ax, x, [row["difference"]], [row["ci_low"]], [row["ci_high"]], index)
    ax.set_xlim(least - 0.1 * width, least + 1.12 * width)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def with_costs(
    comparisons: pd.DataFrame, costs: pd.DataFrame, metric: str, context: str, judge: str
) -> pd.DataFrame:
    """The comparisons of one metric, context and judge with the columns of `costs`."""
    rows = against_base(comparisons)
    if rows.empty or costs.empty:
        return pd.DataFrame()
    rows = rows[
        (rows["metric"] == metric) & (rows["context"] == context) & (rows["judge"] == judge)
    ]
    recipe = [name for name in RUN_COLUMNS if name != "seed"]
    means = costs.groupby(recipe, as_index=False, dropna=False)[COLUMNS].mean()
    each = pd.concat([costs, means.assign(seed=ALL_SEEDS)], ignore_index=True)
    each[COLUMNS] = each[COLUMNS].astype(float)
    free = each["train_size"] == 0
    each.loc[free, COLUMNS[:3]] = each.loc[free, COLUMNS[:3]].fillna(0.0)
    return of_recipes(rows).merge(each, on=RUN_COLUMNS, how="inner")
