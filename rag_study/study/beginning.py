"""A study file for what somebody has: `rag-study init`.

It says where the data is, what its columns are called, and sizes that the data allows. Nothing is
decided here that the study file does not show.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_study import data
from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.text import length
from rag_study.common.wording import counted
from rag_study.data.schema import POOLS, QADataset
from rag_study.data.sources.own import looking
from rag_study.data.splits import Split
from rag_study.evaluation import criteria
from rag_study.evaluation.judging.sizes import least_ladder
from rag_study.study.config import study_of

MODEL, JUDGE = "smollm2-135m-instruct", "smollm2-135m-judge"
# Of all questions so many are for the test, a quarter of many and at most half of few.
_TESTED, _LEAST_SHARE, _MOST_SHARE = 200, 0.25, 0.5
_MOST_TESTED = 300
# The paper's sizes, and one as people write it in an afternoon.
_TRAIN_SIZES = (50, 200, 500, 1000)
_MOST_ON_LADDER = 100
_WITH_PASSAGES = (
    "# It trains on questions and answers alone: `train_format: [closed_book, with_context]`\n"
    "# beside `train_size` trains with the passage that answers, too.\n"
)


@dataclass(frozen=True)
class Beginning:
    """A study file as text, what it was made from, and what is to be told of the data."""

    path: Path
    text: str
    notes: list[str]
    summary: list[tuple[str, str]]
    problem: str = ""  # why the data cannot be divided as it is


def begin(
    folder: Path,
    params: Path,
    *,
    name: str = "",
    questions: Path | None = None,
    documents: Path | None = None,
    model: str = "",
) -> Beginning:
    """A study file `params`/<name>.yaml for what is in a folder; nothing is written.

    Raises StudyError where there are no questions with answers, or no documents, for data that
    cannot be read, and for a name or model that no study can have.
    """
    proposal = looking.look(folder, questions, documents)
    name = name or name_of(folder)
    path = params / f"{name}.yaml"
    settings = proposal.settings
    options = {k: v for k, v in settings.items() if k not in ("name", "path", "corpus")}
    corpus = settings.get("corpus")
    place = str(settings["path"].resolve())
    dataset = data.load("own", place, str(corpus.resolve()) if corpus else "", options)
    share = min(_MOST_SHARE, max(_LEAST_SHARE, _TESTED / len(dataset.questions)))
    share = round(share, 2)
    problem, split = "", None
    try:
        split = data.split(dataset, share)
    except StudyError as error:
        problem = str(error)
    for key in ("path", "corpus"):
        if key in settings:
            settings[key] = _from(path.parent, settings[key])
    sizes = _sizes(dataset, split)
    entry = settings | {"label": name, "test_share": share, "test_size": sizes["test_size"]}
    study = {
        "name": name,
        "models": [model or MODEL],
        "datasets": [entry],
        "fine_tuning": [{"train_size": sizes["train_size"]}],
        "contexts": ["none", "retrieved", *(["oracle"] if sizes["has_gold"] else [])],
        "judges": [{"model": JUDGE, "ladder_size": sizes["ladder_size"]}],
    }
    study_of(study, path)  # before anything is written
    notes = list(proposal.notes)
    if not sizes["has_gold"]:
        notes.append(
            "Fewer than half of the test questions have a gold document, so the context `oracle` "
            "is left out."
        )
    return Beginning(
        path,
        _header(folder, dataset, sizes["has_gold"]) + files.yaml_text(study),
        notes,
        _summary(dataset, split),
        problem,
    )


def name_of(folder: Path) -> str:
    """The folder's name as a study may be called."""
    stem = folder.resolve().name if folder.is_dir() else folder.stem
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-") or "mine"


def _from(folder: Path, place: Path) -> str:
    """A place as it is called from the study file's folder."""
    return Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()


def _sizes(dataset: QADataset, split: Split | None) -> dict[str, Any]:
    pools = split.pools if split else dict.fromkeys(POOLS, dataset.questions)
    there = {pool: len(questions) for pool, questions in pools.items()}
    fitting = [size for size in _TRAIN_SIZES if size <= there["train"]][-3:]
    if not fitting:
        fitting = [there["train"]]
    elif fitting == [50] and there["train"] >= 80:
        fitting.append(there["train"] // 10 * 10)
    test_size = min(there["test"], _MOST_TESTED)
    tested = pools["test"][:test_size]
    least = least_ladder(criteria.find_all(criteria.DEFAULT))
    return {
        "test_size": test_size,
        "train_size": fitting,
        "ladder_size": min(_MOST_ON_LADDER, max(least, test_size)),
        "has_gold": 2 * sum(bool(question.gold_doc_ids) for question in tested) >= len(tested),
    }


def _header(folder: Path, dataset: QADataset, has_gold: bool) -> str:
    questions = counted(len(dataset.questions), "question")
    documents = counted(len(dataset.documents), "document")
    return (
        f"# Written by `rag-study init` for {folder.resolve().name}: {questions}, {documents}.\n"
        "# It is yours to change: docs/study-file.md has the keys, docs/data.md those of data.\n"
        "# The model is the small one that comes along: name the one that you would deploy.\n"
        + _WITH_PASSAGES * has_gold
        + _kept(dataset)
    )


def _kept(dataset: QADataset) -> str:
    """A comment on further columns of the questions whose values are few enough to divide them."""
    values: dict[str, set[Any]] = {}
    for question in dataset.questions:
        for name, value in question.single_values.items():
            values.setdefault(name, set()).add(value)
    most = len(dataset.questions) // 10
    names = [name for name, seen in values.items() if 1 < len(seen) <= most and name.isprintable()]
    if not names:
        return ""
    return (
        f"# Effects can also be shown by {', '.join(names)}: name them in `slices: [...]` beside\n"
        "# the data set's `path`.\n"
    )


def _summary(dataset: QADataset, split: Split | None) -> list[tuple[str, str]]:
    """What a reader should know of the data: (what, how many or which)."""
    lines = [("questions", f"{len(dataset.questions):,} of {counted(dataset.read, 'row')}")]
    lines += [(f"  left out, {reason}", f"{n:,}") for reason, n in dataset.dropped.items() if n]
    types = Counter(question.answer_type for question in dataset.questions)
    lines.append(("  by kind of answer", _listed(types)))
    with_gold = sum(bool(question.gold_doc_ids) for question in dataset.questions)
    lines.append(("  with gold documents", f"{with_gold:,}"))
    lines.append(
        ("documents", f"{len(dataset.documents):,}, {_words(dataset)} words at the median")
    )
    lines += [(f"  {reason}", f"{number:,}") for reason, number in dataset.counts.items() if number]
    if split:
        lines.append(("pools", _listed(split.sizes())))
        lines += [(f"  left out, {why}", f"{n:,}") for why, n in split.dropped.items() if n]
        groups = split.groups
        lines.append(
            (
                "groups that share nothing",
                f"{groups['groups in all']:,}, the largest of "
                f"{counted(groups['questions in the largest group'], 'question')}",
            )
        )
    return lines


def _words(dataset: QADataset) -> int:
    step = max(1, len(dataset.documents) // 1000)
    lengths = sorted(length(document.text) for document in dataset.documents[::step])
    return lengths[len(lengths) // 2]


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items())
