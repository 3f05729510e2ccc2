"""Answers to training questions that a model writes: the base itself, or another one.

The model is asked the questions of every subset that some training takes, once, whatever their
number: those that an earlier, smaller run has asked are not asked again. It sees the gold passages,
a few examples, or the question alone. Test questions are never among those that it is shown:
examples for training questions come from the validation pool and the other way round, so that they
share no group with the question either.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rag_study.answering import generation, served
from rag_study.answering.contexts import Context, ContextBuilder
from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.data.schema import Question
from rag_study.data.splits import train_subset
from rag_study.models.endpoint import Endpoint
from rag_study.models.language_model import LanguageModel
from rag_study.models.prompts import AS_USUAL, Prompting
from rag_study.training.pairs import PassageSource, select
from rag_study.training.recipe import HELD_OUT, NUM_EXAMPLES, subset_of

Pools = Mapping[str, Sequence[Question]]
# Of one pool: the questions by the round in which they are asked.
Rounds = dict[str, list[Question]]
_ASKED = "asked-"  # parts of a run's folder with what is asked, not with answers
_EXAMPLES_FROM = {"train": "validation", "validation": "train"}


def rounds(folder: RunFolder, pools: Pools, asked: Mapping[str, int]) -> dict[str, Rounds]:
    """By pool, everything that is or was asked: the subsets `asked` (`Training.asked`) of the train
    pool, and the held-out questions.

    What is asked together is kept in `folder`, so that a run which was killed asks the same batches
    again, and a larger one only what is new. Raises StudyError for a subset larger than the pool.
    """
    wanted: dict[str, Question] = {}
    for name in sorted(asked):
        seed, deduplicate = subset_of(name)
        chosen, _ = select(pools["train"], asked[name], seed, deduplicate=deduplicate)
        wanted |= {question.id: question for question in chosen}
    return {
        "train": _rounds(folder, "train", pools["train"], list(wanted)),
        "validation": _rounds(
            folder,
            "validation",
            pools["validation"],
            [question.id for question in pools["validation"][:HELD_OUT]],
        ),
    }


def _rounds(folder: RunFolder, pool: str, questions: Sequence[Question], ids: list[str]) -> Rounds:
    by_id = {question.id: question for question in questions}
    made: Rounds = {}
    for number in itertools.count():
        part = f"{_ASKED}{pool}-{number:03d}"
        if not ids and not (folder.path / "parts" / f"{part}.jsonl").exists():
            return made
        rows = folder.part(part, partial(_as_rows, ids))
        made[f"{pool}-{number:03d}"] = [by_id[row["asked"]] for row in rows]
        known = {row["asked"] for row in rows}
        ids = [one for one in ids if one not in known]


def _as_rows(ids: Sequence[str]) -> list[dict]:
    return [{"asked": one} for one in ids]


def questions_of(asked: Mapping[str, Rounds]) -> list[Question]:
    """All questions of the rounds, each once."""
    return [q for of_pool in asked.values() for together in of_pool.values() for q in together]


def write_answers(
    lm: LanguageModel | Endpoint,
    asked: Mapping[str, Rounds],
    pools: Pools,
    answered_from: str,
    source: PassageSource | None,
    settings: generation.Settings,
    folder: RunFolder,
) -> Iterator[list[dict]]:
    """Answer what `rounds` gave; yields rows by batch, as `generation.generate_answers`, where
    `context` is the round.

    `source` has the passages of these questions where `answered_from` is `passages`. Raises
    StudyError where no question has any, and as `generate_answers` and `served.generate_answers`.
    """
    if answered_from == "passages" and not any(q.gold_doc_ids for q in questions_of(asked)):
        raise StudyError(
            "answered_from: passages needs gold documents, and no training question names one "
            "(gold_doc_ids). Take few_shot or closed_book."
        )
    by_server = isinstance(lm, Endpoint)
    answer = served.generate_answers if by_server else generation.generate_answers
    shown = _Shown(source.builder if answered_from == "passages" else None)
    for pool, of_pool in asked.items():
        extent = {name: len(questions) for name, questions in of_pool.items()}
        prompting = AS_USUAL
        if answered_from == "few_shot":
            prompting = Prompting("few_shot", _examples(pools[_EXAMPLES_FROM[pool]]))
        yield from answer(lm, of_pool, shown, settings, extent, folder, prompting)


def _examples(pool: Sequence[Question]) -> tuple[tuple[str, str], ...]:
    chosen = train_subset(list(pool), min(NUM_EXAMPLES, len(pool)), seed=0)
    return tuple((question.question, question.reference) for question in chosen)


@dataclass(frozen=True)
class _Shown:
    """A builder of contexts that gives every round the gold passages, or without them nothing."""

    gold: ContextBuilder | None

    def context(self, question: Question, name: str) -> Context:
        return self.gold.context(question, "oracle") if self.gold else Context(())


def rows_of(folder: RunFolder) -> list[dict]:
    """The rows of all answers that were ever asked for here, by pool and round."""
    rows = [row for row in folder.all_parts() if "asked" not in row]
    return sorted(rows, key=lambda row: (row["context"], row["position"]))


def kept(folder: Path | None) -> dict[str, str] | None:
    """The answers to learn by question id, of the table that stage `write_training_answers` wrote:
    those in whose way nothing stood (`rejected` is empty). None without its folder."""
    if folder is None:
        return None
    table = files.read_parquet(folder / "answers.parquet")
    table = table[table["rejected"] == ""]
    return dict(zip(table["question_id"], table["answer"].str.strip(), strict=True))
