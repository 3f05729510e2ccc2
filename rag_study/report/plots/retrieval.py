"""How well the search finds the passages that hold the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rag_study.analysis.states import search_names
from rag_study.report.plots import canvas
from rag_study.report.plots.captions import span


@canvas.styled
def retrieval_quality(per_k: pd.DataFrame) -> Figure:
    """Recall@k and mean reciprocal rank over the number of retrieved passages k.

    Columns: dataset, k, recall, recall_low, recall_high, mrr, mrr_low, mrr_high, n (questions), and
    of several searches retriever and chunk_size; one line per data set and search, intervals at
    95 %.
    """
    title = "Does the search find the passages that hold the answer?"
    if per_k.empty or per_k[["recall", "mrr"]].isna().all(axis=None):
        return canvas.nothing(title, "Retrieval was not measured.")
    per_k = per_k.assign(line=search_names(per_k))
    lines = list(per_k["line"].unique())
    ks = sorted(per_k["k"].unique())
    caption = (
        f"Found among the first k: the share of a question's right passages. Rank of the first: 1 "
        f"where the first passage is a right one, 1/2 where the second is, and so on, 0 where "
        f"none of the first k is (mean reciprocal rank). Lines: 95 % intervals, "
        f"n = {span(per_k['n'], 'question')}."
    )
    fig, axes = canvas.layout(
        2,
        panel=(3.4, 2.8),
        title=title,
        caption=caption,
        handles=[canvas.legend_handle(name, i) for i, name in enumerate(lines)],
    )
    names = {"recall": "Found among the first k", "mrr": "Rank of the first"}
    facts = []
    for ax, (column, name) in zip(axes, names.items(), strict=True):
        ax.set_title(name, loc="left")
        for index, line in enumerate(lines):
            part = per_k[per_k["line"] == line].sort_values("k")
            x = np.array([ks.index(k) for k in part["k"]]) + canvas.dodge(index, len(lines))
            canvas.mean_line(
                ax, x, part[column], part[f"{column}_low"], part[f"{column}_high"], index
            )
            ends = part.iloc[[0, -1]].drop_duplicates("k")
            points = [f"{v:.2f} at k = {k}" for k, v in zip(ends["k"], ends[column], strict=True)]
            facts.append(f"{line}, {name[0].lower()}{name[1:]}: {' to '.join(points)}")
        ax.set_xticks(range(len(ks)), ks)
        ax.set_xlim(-0.4, len(ks) - 0.6)
        ax.set_xlabel("retrieved passages k")
        ax.set_ylim(-0.02, 1.04)
    return canvas.described(fig, facts)
