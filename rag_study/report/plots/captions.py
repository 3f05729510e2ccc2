"""Words under figures: which trainings and questions their points are about, and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from rag_study.analysis.pairing import ALL_SEEDS
from rag_study.analysis.states import format_label, method_label
from rag_study.common.wording import counted, is_number, number
from rag_study.evaluation.metrics import Metrics

NAMES = "The number in a name is that of training examples."
_MEANINGS = {
    "answer_recall": "1 where a right answer stands in the answer, else 0",
    "key_point_recall": "the share of a complete answer's facts that stand in the answer",
    "exact_match": "1 where the answer is a right one and nothing else, else 0",
    "token_f1": "how many of their words answer and right answer share",
    "rouge_l": "how many of their words they share in the same order",
    "semantic_similarity": "how near they are in meaning to an embedding model",
}


def span(values: pd.Series, noun: str = "") -> str:
    """A whole number, or the least and the largest, with what is counted: "40", "1 question",
    "30 to 40 questions"."""
    low, high = int(values.min()), int(values.max())
    most = counted(high, noun) if noun else f"{high}"
    return most if low == high else f"{low} to {most}"


def estimate(
    row: Mapping[str, Any], name: str = "mean", write: Callable[[float], str] = number
) -> str:
    """A value of a row with its 95 % interval, where it has one: "0.46 (0.35 to 0.57)"."""
    low, high = row["ci_low"], row["ci_high"]
    ends = f" ({write(low)} to {write(high)})" if is_number(low) and is_number(high) else ""
    return f"{write(row[name])}{ends}"


def meaning(metric: str, metrics: Metrics) -> str:
    """What a metric counts, in a sentence; '' where its name says it."""
    if metric in metrics.judged:
        return f"{metrics.label(metric)}: graded from 1 to 5 by a language model."
    said = _MEANINGS.get(metric, "")
    return f"{metrics.label(metric)}: {said}." if said else ""


def mean_caption(rows: pd.DataFrame) -> str:
    """What the points and lines of a figure of means are."""
    return (
        f"Means with 95 % intervals (bootstrap over groups of questions), "
        f"n = {span(rows['n_questions'], 'question')} per point."
    )


def recipe_caption(rows: pd.DataFrame) -> str:
    """Which training the figure is about, in one sentence; empty without trained runs."""
    tuned = rows[rows["train_size"] > 0]
    systems = rows.loc[(rows["method"] != "none") & (rows["train_size"] == 0), "method"].unique()
    others = f" Beside them, without an untrained state: {', '.join(systems)}." * bool(len(systems))
    if tuned.empty:
        return others.strip()
    formats = " or ".join(format_label(f) for f in sorted(tuned["train_format"].unique()))
    methods = ", ".join(method_label(m) for m in sorted(tuned["method"].unique()))
    seeds = sorted(seed for seed in tuned["seed"].unique() if seed != ALL_SEEDS)
    seed_text = f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    if not seeds:  # rows about all trainings of a recipe
        several = "n_seeds" in tuned and tuned["n_seeds"].notna().all()
        seed_text = f"{span(tuned['n_seeds'])} trainings each" if several else "all training seeds"
    return f"Trained models were {formats} ({methods}, {seed_text}).{others}"
