"""Several studies as one, for a common report: which they are, and whether they can be.

Nothing is run: the report is made from the runs that the studies have done. The verdicts of the
common report are about all their primary comparisons together, so the studies must have declared
the same ones, with the same margins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.study.config import StudyConfig, load_study
from rag_study.study.sections import DatasetConfig, RetrievalConfig

# Folders of file systems have at most 255 characters, and a run's hash follows.
_LONGEST_NAME = 180
_LISTS = ("models", "systems", "fine_tuning", "prompting", "contexts", "judges", "seeds", "notes")


class MergedStudy(StudyConfig):
    """What is common to several studies, and all of what they have; `parts` are the studies.

    `name` is their names with plus signs between, and the folder of the common report; of many,
    the first ones' names with a hash over all.
    """

    parts: tuple[StudyConfig, ...] = ()

    @property
    def paths(self) -> list[Path]:
        return [path for part in self.parts for path in part.paths]


def load_studies(paths: Sequence[Path | str]) -> StudyConfig:
    """The study of a file, or that of several files together.

    Raises StudyError for a file that cannot be used and for studies that cannot be merged.
    """
    studies = [load_study(path) for path in paths]
    return studies[0] if len(studies) == 1 else merge(studies)


def merge(studies: Sequence[StudyConfig]) -> MergedStudy:
    """Several studies as one. Raises StudyError where two have the same name, or differ in what is
    primary or in a margin."""
    first, names = studies[0], [study.name for study in studies]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise StudyError(
            f"Two of the studies have the name '{repeated[0]}'. Give each once, or another `name`."
        )
    for other in studies[1:]:
        _check_alike(first, other)
    merged = {
        "name": _joined(names),
        "datasets": _datasets(studies),
        "retrieval": _retrieval(studies),
        "retention": max(study.retention for study in studies),
        "margins": {name: margin for study in studies for name, margin in study.margins.items()},
        **{key: _union(getattr(study, key) for study in studies) for key in _LISTS},
    }
    # Not validated again: the parts are valid, and a name with a plus sign is theirs together.
    return MergedStudy.model_construct(**{**dict(first), **merged, "parts": tuple(studies)})


def _joined(names: Sequence[str]) -> str:
    joined = "+".join(names)
    if len(joined) <= _LONGEST_NAME:
        return joined
    fitting = joined[:_LONGEST_NAME].rpartition("+")[0]
    return f"{fitting}+{hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def _check_alike(first: StudyConfig, other: StudyConfig) -> None:
    both = f"{first.name} and {other.name}"
    for key, value in first.primary:
        theirs = getattr(other.primary, key)
        if set(value) != set(theirs):
            raise StudyError(
                f"{both} cannot share a report: `primary.{key}` is {value} in the one and "
                f"{theirs} in the other, and what is primary must be said before results are "
                "seen. Make them alike in the study files, or report each alone."
            )
    if first.looks != other.looks:
        raise StudyError(
            f"{both} cannot share a report: `looks` are {first.looks or 'not declared'} in the one "
            f"and {other.looks or 'not declared'} in the other. Report each alone."
        )
    for metric in sorted({*first.margins, *other.margins} & {*first.metrics} & {*other.metrics}):
        mine, theirs = (study.metrics[metric].margin for study in (first, other))
        if mine != theirs:
            raise StudyError(
                f"{both} cannot share a report: the margin of {metric} is {mine:g} in the one and "
                f"{theirs:g} in the other. Make them alike in the study files."
            )


def _datasets(studies: Sequence[StudyConfig]) -> list[DatasetConfig]:
    """Every data set once; where two that differ have one label, the study's name is added."""
    datasets: list[DatasetConfig] = []
    for study in studies:
        for dataset in study.datasets:
            if any(dataset.single == other.single for other in datasets):
                continue
            if any(dataset.display_name == other.display_name for other in datasets):
                label = f"{dataset.display_name} ({study.name})"
                dataset = dataset.model_copy(update={"label": label})
            datasets.append(dataset)
    return datasets


def _retrieval(studies: Sequence[StudyConfig]) -> RetrievalConfig:
    settings = [study.retrieval.model_dump() for study in studies]
    return studies[0].retrieval.model_copy(
        update={
            key: _union(section[key] for section in settings)
            for key, value in settings[0].items()
            if isinstance(value, list)
        }
    )


def _union(lists: Iterable[Sequence[Any]]) -> list[Any]:
    union: list[Any] = []
    for values in lists:
        union += [value for value in values if value not in union]
    return union
