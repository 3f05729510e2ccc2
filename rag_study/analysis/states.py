"""What a model state is called, and which rows of a table are of the base.

The names of methods, formats, promptings and contexts stand with what they name (`models`,
`training`, `answering`); here they become the words for a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rag_study.analysis.pairing import ALL_SEEDS, FEW_SHOT, PEOPLE, Gap
from rag_study.answering.conditions import CONDITIONS
from rag_study.common.wording import is_number, listed, number
from rag_study.models.methods import METHODS
from rag_study.models.prompts import PROMPTINGS
from rag_study.training.recipe import TRAIN_FORMATS

# Columns of the tables: how a model was asked, and how it was trained.
SETTINGS = ["retriever", "chunk_size", "top_k"]
RECIPE = ["method", "train_format", "variant", "seed"]
# Beside the conditions of `answering`: what is asked outside the task.
CONTEXTS = {name: condition.label for name, condition in CONDITIONS.items()} | {
    "retention": "outside the task"
}
# What the categories of `decomposition` are called where their own name is a term.
_CATEGORIES = {
    "generation failure": "wrong despite a right passage",
    "retrieval miss": "wrong, as the search missed",
    "retrieval miss, wrong with gold too": "search missed, wrong with right passages too",
    "retrieval miss, gold not tried": "search missed, right passages not tried",
    "wrong, gold unknown": "wrong, right passage unknown",
    "follows context": "follows the changed passages",
    "follows memory": "follows its memory",
}


def method_label(method: str) -> str:
    return METHODS[method].label if method in METHODS else method


def format_label(train_format: str) -> str:
    return TRAIN_FORMATS.get(train_format, f"trained {train_format.replace('_', ' ')}")


def context_label(context: str) -> str:
    return CONTEXTS.get(context, f"with context “{context}”")


def passages_label(context: str) -> str:
    """What stands in the prompt, as a name of its own: "retrieved passages"."""
    return context_label(context).removeprefix("with ")


def category_label(category: str) -> str:
    """A category of `decomposition` for people."""
    return _CATEGORIES.get(category, category)


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
    """Words for some of a run's factors; training factors are left out for the base model, but for
    the seed that drew its examples."""
    phrases = {
        "method": lambda value: method_label(value),
        "train_format": lambda value: format_label(value),
        "seed": lambda value: "all seeds" if value == ALL_SEEDS else f"seed {value}",
        "chunk_size": lambda value: f"chunks of {value} tokens",
        "top_k": lambda value: f"top {value}",
        "judge": lambda value: f"judge {value}",
    }
    skipped = [] if row["method"] != "none" else [c for c in RECIPE if c != "seed"]
    if row["method"] == "none" and row["prompting"] != FEW_SHOT:
        skipped = RECIPE
    shown = [column for column in columns if column not in skipped and row[column] != ""]
    return [phrases.get(column, str)(row[column]) for column in shown]


def search_names(found: pd.DataFrame) -> list[str]:
    """The data set of each row, and its search where there are several."""
    of_search = found.columns.intersection(["retriever", "chunk_size"])
    several = [name for name in of_search if found[name].nunique() > 1]
    return [
        " · ".join([row["dataset"], *factor_words({"method": "", **row}, several)])
        for row in found.to_dict("records")
    ]


def differing(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of `columns` in which the runs differ; only trained ones count for training factors,
    and for the seed the examples in a prompt."""
    tuned = frame["train_size"] > 0
    drawn = tuned | (frame["prompting"] == FEW_SHOT)
    counting = dict.fromkeys(RECIPE, tuned) | {"seed": drawn}
    return [c for c in columns if frame.loc[counting.get(c, drawn | True), c].nunique() > 1]


def gap_sentences(runs: pd.DataFrame, gaps: Sequence[Gap]) -> list[str]:
    """What could not be compared: a sentence for each run and reason, with its contexts."""
    where: dict[tuple[int, str], list[str]] = {}
    for gap in gaps:
        where.setdefault((gap.run, gap.why), []).append(gap.context)
    named = differing(runs, ["train_format", "variant", "seed", *SETTINGS])
    sentences = []
    for (run, why), contexts in where.items():
        row = runs.loc[run]
        words = ", ".join([state_label(row), *factor_words(row, named)])
        places = [context_label(c) for c in sorted(contexts, key=context_rank) if c]
        at = f" {listed(places)}" if places else ""
        sentences.append(f"{words} ({row['model']} on {row['dataset']}): {why}{at}.")
    return sentences


def is_base(frame: pd.DataFrame) -> pd.Series:
    """Which rows are of the untrained model, asked as usual."""
    return (frame["method"] == "none") & (frame["prompting"] == "default")


def against_base(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons with the base as it is usually asked, on the task itself."""
    if comparisons.empty:
        return comparisons
    usual = comparisons["baseline"] == "default"
    return comparisons[usual & (comparisons["context"] != "retention")]


def of_people(label: str, judge: str) -> str:
    """The label of a metric as a row of this judge has it: people are no judge."""
    return label.replace(" (judge)", " (people)") if judge == PEOPLE else label


def untrusted_judges(comparisons: pd.DataFrame) -> set[str]:
    """Judges whose rows `effects.compare` has excluded from verdicts (see its `reason`)."""
    rows = comparisons[comparisons["judge"] != ""]
    excluded = [
        str(reason).startswith(f"judge {judge} ")
        for judge, reason in zip(rows["judge"], rows["reason"], strict=True)
    ]
    return set(rows["judge"][excluded])


def auc_words(check: Mapping[str, Any]) -> str:
    """AUC with its interval where there is one; '' for a judge without AUC."""
    if not is_number(check.get("auc")):
        return ""
    text, low, high = number(check["auc"]), check.get("auc_low"), check.get("auc_high")
    bounded = is_number(low) and is_number(high)
    return f"{text} ({number(low)} to {number(high)})" if bounded else text
