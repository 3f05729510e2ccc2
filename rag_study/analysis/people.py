"""Differences that people would see: the judge's, with its error taken out, as rows of comparisons.

The estimates are those of `labelling` (prediction-powered: the judge's scores of all answers, less
the error that the labels show it to have). They hold however biased the judge is, and so they are
what a verdict rests on where the judge cannot carry it (`carriers`). What more labels would bring
is computed here, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from rag_study.analysis.pairing import ALL_SEEDS, DEFAULT, PEOPLE, RUN_COLUMNS
from rag_study.analysis.planning import ALPHA, detectable
from rag_study.analysis.seeds import with_spread_of_seeds
from rag_study.common.wording import counted
from rag_study.evaluation.metrics import Metrics

_KEYS = [*RUN_COLUMNS, "context", "criterion"]


def people_rows(estimates: pd.DataFrame, metrics: Metrics) -> pd.DataFrame:
    """Rows for `comparisons`, of the judge PEOPLE: one for each labelled state and criterion.

    `estimates` is the table `human_estimates`. Of several judges the one whose scores make the
    estimate surest counts, of several samples the largest. `n_questions` are the labelled
    questions, `n_clusters` their groups; p values are those of the t test. States without an
    interval (all labels alike) have no row. Where several seeds of a recipe are labelled, a row of
    ALL_SEEDS is about their mean.
    """
    if estimates.empty:
        return pd.DataFrame()
    known = estimates[(estimates["quantity"] == "difference") & estimates["se"].notna()]
    best = known.sort_values(["n_labelled", "se"], ascending=[False, True], kind="stable")
    rows = []
    for row in best.drop_duplicates(_KEYS).to_dict("records"):
        metric = f"judge_{row['criterion']}"
        if metric not in metrics:
            continue
        margin = metrics[metric].margin
        tuned = _mean_of(estimates, row)
        near = float(stdtrit(row["df"], 1 - ALPHA)) * row["se"]
        certain = row["se"] > 0
        p = 2 * stdtr(row["df"], -abs(row["estimate"]) / row["se"]) if certain else 1.0
        rows.append(
            {
                **{name: row[name] for name in (*RUN_COLUMNS, "context")},
                "metric": metric,
                "judge": PEOPLE,
                "baseline": DEFAULT,
                "n_questions": int(row["n_labelled"]),
                "n_clusters": int(row["n_clusters"]),
                "n_effective": float(row["n_effective"]),
                "n_seeds": 1,
                "mean_base": tuned - row["estimate"],
                "mean_tuned": tuned,
                "difference": row["estimate"],
                "ci_low": row["ci_low"],
                "ci_high": row["ci_high"],
                "ci90_low": row["estimate"] - near,
                "ci90_high": row["estimate"] + near,
                "se": row["se"],
                "df": row["df"],
                "seed_sd": np.nan,
                "p_value": float(p),
                "effect_size": np.nan,
                "mde": float(detectable(row["se"], row["df"])),
                "margin": np.nan if margin is None else float(margin),
                # One clause, for a reason and for the headline.
                "planning": (label_plan(row) or "every question is labelled").replace(
                    "; ", ", and "
                ),
            }
        )
    found = pd.DataFrame(rows)
    return pd.concat([found, _of_all_seeds(found)], ignore_index=True)


def _of_all_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of ALL_SEEDS of recipes that have rows of several seeds.

    The same questions are labelled for every seed, so that errors of the estimates go together: the
    standard error of their mean is at most the mean of theirs, which is taken; the spread between
    seeds comes to it (`seeds`).
    """
    if rows.empty:
        return rows
    recipe = [*(name for name in RUN_COLUMNS if name != "seed"), "context", "metric"]
    made = []
    for _, seeds in rows.groupby(recipe, dropna=False, sort=False):
        if len(seeds) < 2:
            continue
        means = ["mean_base", "mean_tuned", "difference", "se"]
        least = ["n_questions", "n_clusters", "n_effective", "df"]
        spread = {"n_seeds": len(seeds), "seed_sd": float(seeds["difference"].std(ddof=1))}
        one = seeds.iloc[0].to_dict() | seeds[means].mean().to_dict() | seeds[least].min().to_dict()
        made.append(one | {"seed": ALL_SEEDS, **spread})
    if not made:
        return rows.iloc[:0]
    frame = pd.DataFrame(made).rename(columns={"difference": "mean"})
    # The least it may be; with the spread of seeds it is that of the t test.
    frame["p_value"] = np.where(frame["se"] > 0, 0.0, 1.0)
    frame = with_spread_of_seeds(frame, [()] * len(frame))
    frame["mde"] = detectable(frame["se"], frame["df"])
    return frame.rename(columns={"mean": "difference"}).astype(rows.dtypes.to_dict())


def _mean_of(estimates: pd.DataFrame, row: Mapping[str, Any]) -> float:
    """The mean that people would give the trained state of a difference."""
    alike = estimates[[*_KEYS, "sample", "judge"]] == [row[n] for n in (*_KEYS, "sample", "judge")]
    mean = estimates[alike.all(axis=1) & (estimates["quantity"] == "mean")]
    return float(mean["estimate"].iloc[0]) if len(mean) else np.nan


# --- What more labels would bring -----------------------------------------------------------------


def half_width(row: Mapping[str, Any], n_labelled: int) -> float:
    """Half of the 95 % interval of an estimate if `n_labelled` of its questions were labelled.

    `row` is one of `human_estimates`. The variance of a two-phase sample has a part of the
    questions themselves (`se_all`², what labelling all of them would leave) and one that goes with
    1 / n - 1 / N (Särndal, Swensson and Wretman 1992, 9.3), which the present standard error gives.
    """
    n, total = float(row["n_labelled"]), float(row["n_questions"])
    floor = min(row["se_all"], row["se"])
    now = 1 / n - 1 / total
    then = 1 / min(n_labelled, total) - 1 / total
    variance = floor**2 + ((row["se"] ** 2 - floor**2) * then / now if now > 0 else 0.0)
    df = max(1.0, row["df"] + n_labelled - n)
    return float(stdtrit(df, 1 - ALPHA / 2) * np.sqrt(variance))


def labels_for(row: Mapping[str, Any], wanted: float) -> int | None:
    """How many questions must be labelled in all for an interval of ± `wanted`; None where not
    even all of the study's questions bring it there."""
    total = int(row["n_questions"])
    for n in range(int(row["n_labelled"]), total + 1):
        if half_width(row, n) <= wanted:
            return n
    return None


def label_plan(row: Mapping[str, Any]) -> str:
    """What more labels would bring, in a sentence; '' where everything is labelled."""
    n, total = int(row["n_labelled"]), int(row["n_questions"])
    if n >= total or not row["se"] > 0:
        return ""
    now = half_width(row, n)
    # The next round number that is worth the work: at least a fifth narrower.
    steps = [
        w for w in (2.0, 1.5, 1.0, 0.75, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1) if w <= 0.8 * now
    ]
    for wanted in steps[:1]:
        needed = labels_for(row, wanted)
        if needed is not None:
            return (
                f"labels for {counted(needed - n, 'more question')} would bring the interval "
                f"from ±{now:.2f} to ±{wanted:g}"
            )
    everything = half_width(row, total)
    return (
        f"labels for all {counted(total, 'question')} of the study would bring the interval from "
        f"±{now:.2f} to ±{everything:.2f}; for less it takes more questions"
    )
