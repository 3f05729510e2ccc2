"""By which properties of the questions effects are looked at, and into which parts these divide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rag_study.analysis.pairing import BASE_COLUMNS
from rag_study.analysis.states import context_label, is_base
from rag_study.common.text import length

LEAST_GROUPS = 10  # of questions, in a slice and in the rest
# Column of the results -> what it is called. What a study's table has not is left out.
COLUMNS = {
    "answer_type": "kind of answer",
    "question_words": "words of the question",
    "gold_in_context": "right passage in the prompt",
    "gold_documents": "documents with the answer",
    "known_before": "known before training",
    "extra_language": "language",
    "extra_hops": "hops",
}
OTHER, MISSING = "other", "(not given)"
_NAMED = {"gold_in_context": {1: "yes", 0: "no"}}
_FEW = 4  # different numbers up to which each is a slice
# Groups from which on numbers are cut into so many parts.
_PARTS = ((8 * LEAST_GROUPS, 4), (3 * LEAST_GROUPS, 3), (0, 2))


@dataclass(frozen=True)
class Slicing:
    """A property of questions: `of` maps a question's id to one of `names`, its slices in order."""

    label: str
    names: tuple[str, ...]
    of: Mapping[str, str]


def slicings(
    results: pd.DataFrame, columns: Mapping[str, Mapping[str, str]]
) -> tuple[dict[tuple, list[Slicing]], list[str]]:
    """The slicings of each (*BASE_COLUMNS, context) of a study's results, and notes in sentences on
    what was asked for and cannot be made.

    `columns` as in `slices.slices`. The properties are those of the questions in the base's rows,
    so that all states are divided alike. Numbers are cut at their quartiles, at terciles or at the
    median where groups are fewer, unless they have few values; slices of fewer than LEAST_GROUPS
    groups are one, OTHER; what is not given is a slice of its own. Properties that all questions
    share give none.
    """
    if results.empty:
        return {}, []
    rows = results[is_base(results) & ~results["context"].isin(["retention", "training"])]
    rows = rows.drop_duplicates([*BASE_COLUMNS, "context", "question_id"])
    if "question" in rows:
        words = {text: length(str(text)) for text in rows["question"].unique()}
        rows = rows.assign(question_words=rows["question"].map(words))
    made, notes = {}, {}
    for key, part in rows.groupby([*BASE_COLUMNS, "context"], sort=True, dropna=False):
        dataset, context = key[0], key[-1]
        made[key] = []
        known = {column: label for column, label in COLUMNS.items() if column in part}
        asked = {column: label for label, column in columns.get(dataset, {}).items()}
        for column, label in (known | asked).items():
            if column not in part or part[column].isna().all():
                if column in asked:
                    notes[f"{dataset}: no question has a “{label}”, which `slices` names."] = None
                continue
            slicing = _slicing(part, column, label)
            if len(slicing.names) > 1:
                made[key].append(slicing)
            elif column in asked and column not in known:
                notes[
                    f"{dataset}: “{label}” gives no slices {context_label(context)}: fewer than "
                    f"two of its values have {LEAST_GROUPS} groups of questions."
                ] = None
    return made, list(notes)


def _slicing(part: pd.DataFrame, column: str, label: str) -> Slicing:
    """Divides the questions of one context, one row each."""
    values = part[column].astype(object).where(part[column].notna())
    values = values.mask(values.map(lambda value: isinstance(value, str) and not value.strip()))
    if column in _NAMED:
        values = values.map(_NAMED[column])
    group = part["group"].astype(object)
    groups = group.where(group.notna() & (group != ""), "question " + part["question_id"])
    names, order = _named(values, groups)
    sizes = groups.groupby(names).nunique()
    rare = [name for name in order if sizes.get(name, 0) < LEAST_GROUPS]
    if len(rare) > 1:
        names = names.mask(names.isin(rare), OTHER)
        order = [name for name in order if name not in rare] + [OTHER]
    names = names.fillna(MISSING)
    if (names == MISSING).any():
        order.append(MISSING)
    of = dict(zip(part["question_id"], names, strict=True))
    there = set(of.values())
    return Slicing(label, tuple(name for name in dict.fromkeys(order) if name in there), of)


def _named(values: pd.Series, groups: pd.Series) -> tuple[pd.Series, list[str]]:
    """The name of each question's part, missing where it has none, and the order of the names."""
    given = values.dropna()
    if given.map(lambda value: isinstance(value, bool)).any():
        numbers = pd.Series(np.nan, given.index)
    else:
        numbers = pd.to_numeric(given, errors="coerce")
    finite = bool(np.isfinite(numbers.astype(float)).all())
    if not finite or numbers.nunique() <= _FEW:
        written = given.map(lambda v: v if isinstance(v, str) else f"{v:g}" if finite else str(v))
        order = (numbers if finite else written).sort_values(kind="stable").index
        return written.reindex(values.index), list(dict.fromkeys(written[order]))
    numbers = numbers.astype(float)
    parts = next(n for least, n in _PARTS if groups[given.index].nunique() >= least)
    cut = pd.qcut(numbers, parts, labels=False, duplicates="drop")
    names, order = pd.Series(pd.NA, values.index, object), []
    for code in sorted(cut.unique()):
        inside = numbers[cut == code]
        low, high = (f"{end:g}" for end in (inside.min(), inside.max()))
        order.append(low if low == high else f"{low} to {high}")
        names[inside.index] = order[-1]
    return names, order
