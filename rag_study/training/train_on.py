"""Which questions are trained on where what the model knows of them decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.data.schema import Question
from rag_study.training.recipe import KNOWN_BEFORE

KNOWLEDGE = "knowledge.parquet"  # what stage `probe_knowledge` writes
TRAINED_ON = "trained_on.json"
LEAST = 10  # questions; fewer are not trained on, unless fewer are asked for


def of_kind(train_on: str, probed: Path | None, asked: int) -> set[str] | None:
    """Ids of the questions that may be trained on: those of the kind among the first `asked` of
    the train pool, as a probe wrote them to its folder; None (any) without a probe."""
    if probed is None:
        return None
    table = files.read_parquet(probed / KNOWLEDGE)
    table = table[(table["pool"] == "train") & (table["position"] < asked)]
    return {*table.loc[table["known_before"].isin(KNOWN_BEFORE[train_on]), "question_id"]}


def record(folder: Path, train_on: str, chosen: Sequence[Question], train_size: int) -> None:
    """Keep, in a training's folder, which questions of a kind it is trained on. Raises StudyError
    where they are too few, and says so where they are fewer than were asked for."""
    if train_on == "all":
        return
    if len(chosen) < min(LEAST, train_size):
        raise StudyError(
            f"train_on {train_on}: only {len(chosen)} of the train pool's questions that the model "
            f"was asked are {train_on} to it, and {min(LEAST, train_size)} are the least that is "
            "trained on. Raise knowledge.train_questions, or leave this kind out."
        )
    if len(chosen) < train_size:
        print(sentence(train_on, len(chosen), train_size))
    files.write_json(folder / TRAINED_ON, sorted(question.id for question in chosen))


def sentence(train_on: str, number: int, train_size: int) -> str:
    """What people are told where there are too few questions of a kind."""
    return (
        f"trained on {counted(number, 'question')} instead of {train_size}: the probe of the "
        "train pool found "
        f"no more that are {train_on} to the model."
    )


def saved(folder: Path | None) -> set[str] | None:
    """What `record` kept; None where nothing was left out for what the model knows, or there is no
    training."""
    file = folder / TRAINED_ON if folder else None
    return set(files.read_json(file)) if file and file.exists() else None
