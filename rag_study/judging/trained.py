"""Adapters that were trained to judge: in which words they are asked for a score.

A model that has learned a rubric needs no more of it than its name, and is asked as it was in
training. The words stand beside the adapter's weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rag_study import criteria, files
from rag_study.criteria import Criterion
from rag_study.errors import StudyError

WORDS_FILE = "judge.json"


def write(folder: Path, words: Mapping[str, str]) -> None:
    """Note that the adapter in `folder` is asked for each criterion in these words."""
    files.write_json(folder / WORDS_FILE, {"criteria": dict(words)})


def with_words(words: Mapping[str, str]) -> list[Criterion]:
    """The shipped criteria of these names, with the words in place of their rubrics."""
    return [
        one.model_copy(update={"rubric": words[one.name]})
        for one in criteria.find_all(tuple(words))
    ]


def asked_for(folder: Path, wanted: Sequence[Criterion]) -> list[Criterion]:
    """The criteria as the adapter in `folder` knows them; those given, for one that was not trained
    to judge. Raises StudyError for a criterion that it was not trained on."""
    file = folder / WORDS_FILE
    if not file.exists():
        return list(wanted)
    words = json.loads(file.read_text())["criteria"]
    if unknown := [one.name for one in wanted if one.name not in words]:
        raise StudyError(
            f"the judge in {folder} was not trained to grade {', '.join(unknown)}; it knows "
            f"{', '.join(words)}. Name these under `criteria`, or take another judge for the rest."
        )
    return [one.model_copy(update={"rubric": words[one.name]}) for one in wanted]
