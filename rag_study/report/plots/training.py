"""The course of training: losses of one run, and what states along its way answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rag_study.analysis.states import SETTINGS, context_label, differing, factor_words, state_label
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas, lettering
from rag_study.report.plots.captions import NAMES, estimate, mean_caption


@canvas.styled
def loss_curve(history: pd.DataFrame) -> Figure:
    """Training and validation loss over optimiser steps.

    Columns: step, train_loss, validation_loss (nats per token of the completion; NaN where not
    measured). The lowest validation loss is marked.
    """
    title = "Loss during training"
    columns = {"training": "train_loss", "validation": "validation_loss"}
    measured = {name: history.dropna(subset=[column]) for name, column in columns.items()}
    if all(part.empty for part in measured.values()):
        return canvas.nothing(title, "No loss was recorded.")
    training, validation = measured["training"], measured["validation"]
    caption = (
        "How unlikely the answers are to the model (nats per token), lower is better. One training "
        "run."
    )
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
    facts = [
        f"{name} loss from {part.iloc[0, 1]:.3f} at step {part.iloc[0, 0]:.0f} to "
        f"{part.iloc[-1, 1]:.3f} at step {part.iloc[-1, 0]:.0f}"
        for name, column in columns.items()
        if len(part := measured[name][["step", column]])
    ]
    return canvas.described(fig, facts)


@canvas.styled
def learning_curves(
    curves: pd.DataFrame,
    scored_by: Sequence[str],
    context: str,
    note: str = "",
    metrics: Metrics = METRICS,
) -> Figure:
    """Scores and held-out loss after shares of the steps of one training, each line a training.

    `curves` as `courses.learning_curves`; one panel for each of the metrics `scored_by` (and judge)
    that has a mean in `context`, and one for the loss. The base is the share 0.
    """
    title = f"Learning curves, {context_label(context)}"
    rows = curves[curves["context"] == context] if len(curves) else curves
    scored = rows[rows["metric"].isin(scored_by)].copy() if len(rows) else rows
    if scored.empty:
        return canvas.nothing(
            title, "No training answered after several shares of its steps.", note
        )
    told = ["dataset", "model", "train_format", "seed", *SETTINGS]
    scored["label"] = _labels(scored, differing(scored[scored["checkpoint"] > 0], told))
    labels = list(scored["label"].unique())
    panels = [
        (metrics.label(metric) if not judge else f"{metrics.label(metric)}, {judge}", part)
        for metric in scored_by
        for judge, part in scored[scored["metric"] == metric].groupby("judge", sort=True)
    ]
    losses = scored.drop_duplicates(["label", "checkpoint"]).dropna(subset="held_out_loss")
    caption = (
        f"{mean_caption(scored)} The learning rate goes on falling to the end of the steps: a "
        "training of half the length is another one. Held-out loss: how unlikely the answers "
        f"to questions kept back are to the model (nats per token), lower is better. {NAMES}"
    )
    fig, axes = canvas.layout(
        len(panels) + (not losses.empty),
        panel=(3.2, 2.8),
        title=title,
        caption=caption,
        note=note,
        handles=[canvas.legend_handle(label, i) for i, label in enumerate(labels)],
    )
    facts = []
    for ax, (heading, part) in zip(axes, panels, strict=False):
        ax.set_title(lettering.heading([heading], 36), loc="left")
        for label, line in part.groupby("label", sort=False):
            index = labels.index(label)
            x = line["checkpoint"] + 0.25 * canvas.dodge(index, len(labels))
            canvas.mean_line(ax, x, line["mean"], line["ci_low"], line["ci_high"], index)
            steps = [
                f"{estimate(row)} after {row['checkpoint']:.0%}".replace("%", " %")
                for row in line.to_dict("records")
            ]
            facts.append(f"{heading}, {label}: {', '.join(steps)} of the steps")
    if not losses.empty:
        axes[-1].set_title("Held-out loss", loc="left")
        nowhere = np.full(len(losses), np.nan)
        for label, line in losses.groupby("label", sort=False):
            empty = nowhere[: len(line)]
            canvas.mean_line(
                axes[-1],
                line["checkpoint"],
                line["held_out_loss"],
                empty,
                empty,
                labels.index(label),
            )
    shares = sorted(scored["checkpoint"].unique())
    for ax in axes:
        ax.set_xticks(shares, ["base", *(f"{share:.0%}" for share in shares[1:])])
        ax.set_xlabel("share of the training steps")
    return canvas.described(fig, facts)


def _labels(rows: pd.DataFrame, named: Sequence[str]) -> list[str]:
    """The words for each row's training; those of one training, its base included, are alike."""
    of = ["training", "strength", *SETTINGS]
    words = {}
    for key, states in rows[rows["checkpoint"] > 0].groupby(of, sort=False):
        # Of what the variants say, that which the states of a training share: not how far it was.
        said = [variant.split(", ") for variant in states["variant"].unique()]
        shared = [phrase for phrase in said[0] if phrase and all(phrase in one for one in said)]
        first = states.iloc[0].to_dict()
        words[key] = " · ".join([state_label(first), *shared, *factor_words(first, named)])
    return [words[key] for key in rows[of].itertuples(index=False, name=None)]
