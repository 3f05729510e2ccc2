"""Words and numbers shared by figures, tables and report.

Names of what was run, captions, and how a number is written. Nothing here draws.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rag_study.metrics import METRICS
from rag_study.pairing import ALL_SEEDS

NOT_KNOWN = "not computed"
# Columns of the tables: how a model was asked, and how it was trained.
SETTINGS = ["retriever", "chunk_size", "top_k"]
RECIPE = ["method", "train_format", "variant", "seed"]
METHODS = {
    **{"lora": "LoRA", "qlora": "QLoRA", "dora": "DoRA", "rslora": "rsLoRA", "ia3": "IA3"},
    **{"prompt_tuning": "prompt tuning", "prefix_tuning": "prefix tuning"},
    "full": "full fine-tuning",
}
PROMPTINGS = {"default": "", "brief": "brief", "few_shot": "few-shot"}
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
    "training": "training questions, without passages",
    "retention": "outside the task",
}
RUNGS = {
    "reworded": "reference,\nreworded",
    "other_question": "answer to an-\nother question",
    "refusal": "refusal",
    "empty": "empty answer",
}


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
    """Short name of a model state: "base", "base, brief", "LoRA 200", or another system's name."""
    if row["method"] == "none":
        return ", ".join(filter(None, ("base", PROMPTINGS[row["prompting"]])))
    if row["train_size"] == 0:
        return method_label(row["method"])
    return f"{method_label(row['method'])} {int(row['train_size'])}"


def factor_words(row: pd.Series | dict, columns: Sequence[str]) -> list[str]:
    """Words for some of a run's factors; training factors are left out for the base model."""
    phrases = {
        "method": lambda value: method_label(value),
        "train_format": lambda value: format_label(value),
        "seed": lambda value: "all seeds" if value == ALL_SEEDS else f"seed {value}",
        "chunk_size": lambda value: f"chunks of {value} tokens",
        "top_k": lambda value: f"top {value}",
        "judge": lambda value: f"judge {value}",
    }
    skipped = RECIPE if row["method"] == "none" else []
    shown = [column for column in columns if column not in skipped and row[column] != ""]
    return [phrases.get(column, str)(row[column]) for column in shown]


def differing(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of `columns` in which the runs differ; only trained ones count for training factors."""
    tuned = frame[frame["train_size"] > 0]
    return [c for c in columns if (tuned if c in RECIPE else frame)[c].nunique() > 1]


def is_base(frame: pd.DataFrame) -> pd.Series:
    """Which rows are of the untrained model, asked as usual."""
    return (frame["method"] == "none") & (frame["prompting"] == "default")


def against_base(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons with the base as it is usually asked, on the task itself."""
    if comparisons.empty:
        return comparisons
    usual = comparisons["baseline"] == "default"
    return comparisons[usual & (comparisons["context"] != "retention")]


def untrusted_judges(comparisons: pd.DataFrame) -> set[str]:
    """Judges whose rows `effects.compare` has excluded from verdicts (see its `reason`)."""
    rows = comparisons[comparisons["judge"] != ""]
    excluded = [
        str(reason).startswith(f"judge {judge} ")
        for judge, reason in zip(rows["judge"], rows["reason"], strict=True)
    ]
    return set(rows["judge"][excluded])


# --- Captions -------------------------------------------------------------------------------------


def span(values: pd.Series) -> str:
    """A whole number, or the least and the largest: "40", "30 to 40"."""
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def mean_caption(rows: pd.DataFrame) -> str:
    """What the points and lines of a figure of means are."""
    return (
        f"Means with 95 % intervals (bootstrap over groups of questions), "
        f"n = {span(rows['n_questions'])} questions per point."
    )


def recipe_caption(rows: pd.DataFrame) -> str:
    """Which training the figure is about, in one sentence; empty without trained runs."""
    tuned = rows[rows["train_size"] > 0]
    systems = rows.loc[(rows["method"] != "none") & (rows["train_size"] == 0), "method"].unique()
    others = f" Not trained here, answers from elsewhere: {', '.join(systems)}." * bool(
        len(systems)
    )
    if tuned.empty:
        return others.strip()
    formats = " or ".join(format_label(f) for f in sorted(tuned["train_format"].unique()))
    methods = ", ".join(method_label(m) for m in sorted(tuned["method"].unique()))
    seeds = sorted(seed for seed in tuned["seed"].unique() if seed != ALL_SEEDS)
    seed_text = f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    seed_text = seed_text if seeds else "all training seeds"
    return f"Trained models were {formats} ({methods}, {seed_text}).{others}"


# --- Numbers --------------------------------------------------------------------------------------


def signed(value: float, metric: str = "") -> str:
    """A difference with its sign, in the metric's digits: "−0.05"."""
    if not is_number(value):
        return NOT_KNOWN
    digits = 1 if metric == "answer_length" else 2
    return f"{round(float(value), digits) + 0.0:+.{digits}f}".replace("-", "−")


def number(value: float, digits: int = 2) -> str:
    """A number with fixed digits and a true minus sign."""
    return f"{float(value):.{digits}f}".replace("-", "−") if is_number(value) else NOT_KNOWN


def rounded_up(value: float) -> str:
    """A number of questions to two significant digits, never too few: 587 -> "590"."""
    step = 10 ** max(0, len(str(int(value))) - 2)
    return f"{math.ceil(value / step) * step:,}"


def in_text(metric: str) -> str:
    """The metric's label as it stands inside a sentence: "answer recall", "ROUGE-L"."""
    label = metric_label(metric)
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def is_number(value: Any) -> bool:
    """Whether there is a finite number to show."""
    return isinstance(value, numbers.Real) and math.isfinite(value)


def auc_words(check: Mapping[str, Any]) -> str:
    """AUC with its interval where there is one; '' for a judge without AUC."""
    if not is_number(check.get("auc")):
        return ""
    text, low, high = number(check["auc"]), check.get("auc_low"), check.get("auc_high")
    known = is_number(low) and is_number(high)
    return f"{text} ({number(low)} to {number(high)})" if known else text


def counted(amount: int, noun: str) -> str:
    """An amount with its noun: "1 run", "1,200 runs"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """At least one word, joined as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def p_words(p: float) -> str:
    """A p value with three digits; '' where there is none."""
    return "" if not is_number(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
