"""What the study says to a claim of the paper, in words: the numbers that decided it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from rag_study.analysis.planning import MIN_CLUSTERS, are_enough
from rag_study.analysis.states import context_label
from rag_study.common.wording import counted, listed, signed
from rag_study.evaluation.metrics import METRICS, Metrics

# What a study lacks that could not test a claim.
_LACKING = {
    "largest_on_qasper": "The study needs Qasper and another data set.",
    "shared recipe": "No recipe was trained on both data sets.",
    "more_data": "The study needs two train sizes of one recipe.",
    "use_of_context": "The study needs answers without passages beside those with them.",
    "retention": "The study did not measure what the models can do outside the task.",
    "smaller_contexts": (
        "The study needs one recipe with contexts of two sizes (top_k or chunk_size)."
    ),
}


def claim_sentence(row: Mapping[str, Any], metrics: Metrics = METRICS) -> str:
    """A row of `claims.claims` in a sentence or two."""
    facts = json.loads(row["facts"])
    if row["answer"] == "not tested":
        return _why_not_tested(row, facts, metrics)
    sentence = _SENTENCES[row["claim"]](row, facts, metrics.in_text(row["metric"]))
    return sentence[0].upper() + sentence[1:] + _why_undecided(row, facts)


def _why_not_tested(row: Mapping[str, Any], facts: dict[str, Any], metrics: Metrics) -> str:
    if facts["lacking"] != "scores":
        return _LACKING[facts["lacking"]]
    by = f" by {row['judge']}" if row["judge"] else ""
    return (
        f"No trained state has scores of {metrics.in_text(row['metric'])}{by} "
        f"{context_label(facts['context'])} beside its base."
    )


def _why_undecided(row: Mapping[str, Any], facts: dict[str, Any]) -> str:
    if not are_enough(facts["n_effective"]):
        groups = counted(int(row["n_clusters"]), "independent group")
        worth = f", worth {math.floor(facts['n_effective'])} of equal size,"
        uneven = row["n_clusters"] >= MIN_CLUSTERS
        return f" {groups} of questions{worth * uneven} cannot show anything; {MIN_CLUSTERS} can."
    if not facts["spread"]:
        return " No question changed differently from the others, so chance cannot be judged."
    return ""


def _number(row: Mapping[str, Any]) -> str:
    value, low, high = (signed(row[n], row["metric"]) for n in ("estimate", "ci_low", "ci_high"))
    return f"{value} (95 % interval {low} to {high})"


def _beats_all(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    below = facts["n_below"]
    return (
        f"{below} of {counted(int(row['n_states']), 'state')} {'is' if below == 1 else 'are'} "
        f"shown to be below the base in {name}; {facts['state']} changed by {_number(row)}."
    )


def _largest_on_qasper(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    here, there = (signed(facts[key], row["metric"]) for key in ("change", "other_change"))
    return (
        f"On Qasper {name} changed by {here}, on {facts['other']} by {there}: a difference of "
        f"{_number(row)}."
    )


def _more_data(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    worse = " More data made it worse." if facts["worse"] else ""
    once = " Each size was trained once: how far such trainings differ is not in it."
    once *= facts.get("n_seeds") == 1  # tables of earlier versions do not tell
    return (
        f"From the smallest to the largest train size ({listed(facts['train_sizes'])}) {name} "
        f"changed by {_number(row)}; {facts['margin']:g} would matter.{worse}{once}"
    )


def _above_one_point(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    point = "one point" if row["judge"] else "a quarter of the scale"
    return (
        f"The lowest of {counted(facts['n_changes'], 'change')} is that of {facts['state']} in "
        f"{name}: "
        f"{_number(row)}; {point} is {facts['point']:g}."
    )


def _use_of_context(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    there, without = (signed(facts[key], row["metric"]) for key in ("with_context", "without"))
    return (
        f"{name} changed by {there} with passages and by {without} without: a difference of "
        f"{_number(row)}."
    )


def _retention(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    measures = counted(facts["n_measures"], "measure")
    numbers = f"{_number(row)}; {facts['margin']:g} would matter."
    if not facts["state"]:
        return (
            f"Of {measures} outside the task, {name} changed most for the worse, on average over "
            f"all states: {numbers}"
        )
    if facts["shown"]:
        return (
            f"On {measures} outside the task, the largest loss that is shown is that of "
            f"{facts['state']} in {name}: {numbers}"
        )
    return (
        f"On {measures} outside the task, {facts['state']} seems to lose in {name}, which among so "
        f"many comparisons is not shown: {numbers}"
    )


def _smaller_contexts(row: Mapping[str, Any], facts: dict[str, Any], name: str) -> str:
    nothing = " No loss with the largest context is shown that could be mitigated."
    return (
        f"The effect on {name} with the smallest context less that with the largest "
        f"({signed(facts['at_largest'], row['metric'])}) is {_number(row)}."
        + nothing
        * (not facts["loss_shown"])
    )


_SENTENCES: dict[str, Callable[[Mapping[str, Any], dict[str, Any], str], str]] = {
    "accuracy": _beats_all,
    "completeness": _beats_all,
    "largest_on_qasper": _largest_on_qasper,
    "more_data": _more_data,
    "above_one_point": _above_one_point,
    "use_of_context": _use_of_context,
    "retention": _retention,
    "smaller_contexts": _smaller_contexts,
}
