"""Forest plots: what training changed on the task and outside it, with intervals and margins."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rag_study.analysis.pairing import DEFAULT, RUN_COLUMNS
from rag_study.analysis.states import against_base, context_label, of_people, untrusted_judges
from rag_study.common.wording import signed
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.report.plots import canvas, forest, lettering
from rag_study.report.plots.captions import NAMES, estimate, recipe_caption, span
from rag_study.report.verdict_looks import LOOKS


@canvas.styled
def effects_forest(
    comparisons: pd.DataFrame,
    invalid_judges: Collection[str] | None = None,
    metrics: Metrics = METRICS,
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
    if not rows.empty:
        rows = rows[np.isfinite(rows["difference"].astype(float))]
    if rows.empty:
        return canvas.nothing(title, "No trained run could be compared with its base.")
    rows, left_out = forest.most_important(rows)
    invalid = untrusted_judges(comparisons) if invalid_judges is None else set(invalid_judges)
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, label=f"verdict: {verdict}")
        for verdict, look in LOOKS.items()
        if (rows["primary"] & (rows["verdict"] == verdict)).any()
    ]
    handles += [
        Line2D(
            [], [], color="#333333", marker="o", markerfacecolor="white", label="without a verdict"
        ),
        canvas.MARGIN,
    ]
    caption = (
        f"Points right of the zero line: higher after training. {_intervals(rows)} Only what was "
        f"declared beforehand has a verdict. {NAMES} {recipe_caption(rows)}{left_out}"
    )
    return _drawn(rows, title, caption, handles, invalid, metrics)


@canvas.styled
def retention_forest(comparisons: pd.DataFrame) -> Figure:
    """What training cost outside the task: differences trained minus base with 95 % intervals, one
    panel per measure. `comparisons` is the table of `effects.compare`."""
    title = "What training cost outside the task"
    if comparisons.empty:
        return canvas.nothing(title, "Retention was not measured.")
    rows = comparisons[
        (comparisons["context"] == "retention")
        & (comparisons["baseline"] == DEFAULT)
        & (comparisons["method"] != "none")
        & np.isfinite(comparisons["difference"].astype(float))
    ]
    if rows.empty:
        return canvas.nothing(title, "Retention was not measured.")
    # General sets are no part of the study's data: with several of its data sets, a name says which
    # of them a state was trained on.
    several = rows["dataset"].nunique() > 1
    trained_on = "trained on " + rows["dataset"].astype(str) if several else ""
    rows = rows.assign(context="", dataset=trained_on)
    caption = (
        f"Left of the zero line: lower after training, which is a loss. Only for general text a "
        f"loss is on the right: a higher number means that the model finds ordinary text less "
        "likely. Knowledge margin: how much likelier it finds the right choice than the best "
        "wrong "
        f"one. {_intervals(rows, 'item', ' of small general sets')} Descriptive, without a "
        f"verdict. {NAMES} {recipe_caption(rows)}"
    )
    handles = [
        Line2D([], [], color="#333333", marker="o", markerfacecolor="white", label="difference")
    ]
    return _drawn(rows, title, caption, [*handles, canvas.MARGIN], set(), METRICS)


def _intervals(rows: pd.DataFrame, noun: str = "question", of: str = "") -> str:
    how = f"bootstrap over {span(rows['n_clusters'], 'independent group')}"
    if (rows["n_seeds"] > 1).any():
        how += "; of several trainings Student's t over groups and seeds"
    return f"Lines: 95 % intervals ({how}), n = {span(rows['n_questions'], noun)}{of}."


def _drawn(
    rows: pd.DataFrame,
    title: str,
    caption: str,
    handles: list[Line2D | Patch],
    invalid: set[str],
    metrics: Metrics,
) -> Figure:
    order = {name: i for i, name in enumerate(metrics)}
    panels = sorted(
        {(row.metric, row.judge) for row in rows.itertuples()},
        key=lambda key: (order.get(key[0], len(order)), key[1]),
    )
    labels, position = forest.labelled_rows(rows)
    fig, axes = canvas.layout(
        len(panels),
        panel=(2.3, 0.26 * len(labels) + 0.95),
        title=title,
        caption=caption,
        handles=handles,
        columns=2 if len(panels) == 4 else 3,
        row_labels=0.2 + max(lettering.measured(name, 9, "bold") for name in labels.values()),
    )
    families = {}
    for ax, (metric, judge) in zip(axes, panels, strict=True):
        part = rows[(rows["metric"] == metric) & (rows["judge"] == judge)]
        forest.draw_panel(ax, part, position, greyed=judge in invalid)
        families.setdefault(forest.scale_family(metric, metrics), []).append((ax, part))
        canvas.scorer_title(ax, metric, judge, judge in invalid, metrics)
        ax.set_xlabel(forest.scale_words(metric, metrics))
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
            forest.set_scale(ax, reach)
    return canvas.described(fig, _facts(rows, panels, metrics))


def _facts(rows: pd.DataFrame, panels: list[tuple[str, str]], metrics: Metrics) -> list[str]:
    """Each difference in words, those with a verdict first."""
    named, order = forest.state_words(rows), {panel: i for i, panel in enumerate(panels)}
    place = [order[key] for key in zip(rows["metric"], rows["judge"], strict=True)]
    rows = rows.assign(place=place).sort_values(
        ["primary", "place"], ascending=[False, True], kind="stable"
    )
    several = [name for name in ("dataset", "model") if rows[name].nunique() > 1]
    facts = []
    for row in rows.to_dict("records"):
        state = ", ".join(named[tuple(row[name] for name in RUN_COLUMNS)])
        context = context_label(row["context"]) if row["context"] else ""
        about = ", ".join(filter(None, (*(row[name] for name in several), state, context)))
        metric = of_people(metrics.in_text(row["metric"]), row["judge"])
        found = estimate(row, "difference", lambda value, row=row: signed(value, row["metric"]))
        verdict = f", {row['verdict']}" * bool(row["primary"])
        facts.append(f"{about}: {metric} {found}{verdict}")
    return facts
