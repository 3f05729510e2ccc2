"""The course of one training run."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rag_study.report.plots import canvas


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
