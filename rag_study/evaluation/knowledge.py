"""What a model knows before any training: answers from memory, asked in several ways.

As Gekhman et al. (2024, "Does Fine-Tuning LLMs on New Knowledge Encourage Hallucinations?",
arXiv 2405.05904, section 3 and figure 2): every question is asked without passages behind several
sets of examples, once greedily with each, and by sampling. There the examples are of the question's
own relation; here of its answer type, since questions at large have no relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from rag_study.answering import generation, served
from rag_study.answering.generation import Settings
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.data import train_subset
from rag_study.data.schema import Question
from rag_study.data.splits import hash_order
from rag_study.models.endpoint import Endpoint
from rag_study.models.language_model import LanguageModel
from rag_study.models.prompts import Prompting
from rag_study.models.session import Session


@dataclass(frozen=True)
class Draw:
    """One way to ask every question: behind which set of examples, and how the answer is drawn."""

    name: str
    exemplar_set: int
    temperature: float


def draws(exemplar_sets: int, samples: int, temperature: float) -> list[Draw]:
    """A greedy answer behind each set of examples; the samples are spread over the sets."""
    greedy = [Draw(f"greedy-{number:02d}", number, 0.0) for number in range(exemplar_sets)]
    return greedy + [
        Draw(f"sample-{number:03d}", number % exemplar_sets, temperature)
        for number in range(samples)
    ]


def in_order(pools: Mapping[str, Sequence[Question]]) -> dict[str, list[Question]]:
    """The pools that are asked, each in the order in which it is: the test pool in its own, the
    train pool in that of the seed 0, so that what is asked first is trained on first."""
    return {
        "test": list(pools["test"]),
        "train": train_subset(list(pools["train"]), len(pools["train"]), seed=0),
    }


class Exemplars:
    """The examples before a question, of a pool of others: never itself, and none of its group
    (which may say the same in other words)."""

    def __init__(self, pool: Sequence[Question], number: int):
        self._pool = [q for q in pool if q.answer_type != "unanswerable"]
        self._number = number
        self._ranked: dict[tuple[str, int], list[Question]] = {}

    def before(self, question: Question, exemplar_set: int) -> tuple[Question, ...]:
        """Those of the question's answer type first, in an order of the set's own. Raises
        StudyError where the pool has none."""
        key = question.answer_type, exemplar_set
        if key not in self._ranked:
            self._ranked[key] = sorted(
                self._pool,
                key=lambda q: (
                    q.answer_type != question.answer_type,
                    hash_order(f"knowledge:{exemplar_set}:{q.id}"),
                ),
            )
        others = (q for q in self._ranked[key] if q.group != question.group)
        chosen = tuple(q for q, _ in zip(others, range(self._number), strict=False))
        if not chosen:
            raise StudyError(
                f"question '{question.id}': the train pool has no question of another group that "
                "could be an example before it. More questions are needed to probe what the model "
                "knows; leave `knowledge` and `train_on` out."
            )
        return chosen


def ask(
    lm: LanguageModel | Endpoint,
    questions: Mapping[str, Sequence[Question]],
    extent: Mapping[str, int],
    exemplars: Exemplars,
    ways: Sequence[Draw],
    settings: Settings,
    folder: RunFolder,
) -> Iterator[list[dict]]:
    """Ask the first `extent[pool]` questions of each pool (all where it has fewer) in all ways;
    yields rows by batch: pool, position, draw, question_id, answer, missing_reason.

    Batches are of fixed positions and kept in `folder`, so that a run that was stopped goes on, and
    one that is asked for more adds to what it has. Raises StudyError as `generation` and `served`.
    """
    with ExitStack() as stack:
        if isinstance(lm, Endpoint):
            answer = partial(served.draw_batch, stack.enter_context(Session(lm)))
        else:
            answer = partial(generation.draw_batch, lm)
        for pool, asked in questions.items():
            for start in range(0, min(extent[pool], len(asked)), settings.batch_size):
                batch = range(start, min(start + settings.batch_size, len(asked)))
                for way in ways:
                    rows = partial(_rows, answer, pool, batch, asked, exemplars, way, settings)
                    yield folder.part(f"{pool}-{start:05d}-{way.name}", rows)


def number_of_answers(
    questions: Mapping[str, Sequence[Question]],
    extent: Mapping[str, int],
    ways: Sequence[Draw],
    batch_size: int,
) -> int:
    """How many answers `ask` gives."""
    asked = (
        min(generation.in_whole_batches(min(extent[pool], len(those)), batch_size), len(those))
        for pool, those in questions.items()
    )
    return len(ways) * sum(asked)


def _rows(
    answer, pool: str, batch: range, asked, exemplars: Exemplars, way: Draw, settings: Settings
) -> list[dict]:
    pairs = []
    for position in batch:
        shown = exemplars.before(asked[position], way.exemplar_set)
        prompting = Prompting("few_shot", tuple((q.question, q.reference) for q in shown))
        pairs.append((asked[position], prompting))
    drawn = answer(pairs, replace(settings, temperature=way.temperature), way.name)
    kept = ("question_id", "answer", "missing_reason")
    return [
        {"pool": pool, "position": position, "draw": way.name, **{key: row[key] for key in kept}}
        for position, row in zip(batch, drawn, strict=True)
    ]
