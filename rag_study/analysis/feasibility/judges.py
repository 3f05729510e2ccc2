"""Whether the judges of a study can be shown to be valid on its questions, whoever they are.

The ladder needs no model, so its rungs are counted as the check will make them, and the judge is
taken to make no mistake.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rag_study.analysis.feasibility.asked import Asked
from rag_study.analysis.feasibility.findings import PROBLEM, Finding
from rag_study.common.wording import counted, listed
from rag_study.data.schema import POOLS
from rag_study.evaluation import criteria as known_criteria
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging.ladder import (
    FURTHER,
    MIN_SHARE,
    RUNGS,
    ladder,
    looked_among,
    pools_of_ladder,
)
from rag_study.evaluation.judging.sizes import MIN_QUESTIONS, least_ladder, questions_for
from rag_study.study.sections import JudgeConfig

_RIGHT = ("gold", "paraphrase")
# A ladder so many times as large is looked for, with so much room; making one takes seconds.
_MOST_TIMES, _ROOM = 5, (1.1, 1.5)


@dataclass(frozen=True)
class Ladder:
    """The check of one judge on one data set, as far as it is known without the judge.

    `lacking` says of which rung of a criterion too few questions have one: (criterion, rung,
    questions, questions needed).
    """

    judge: JudgeConfig
    asked: Asked
    size: int
    pools: Mapping[str, int]
    lacking: tuple[tuple[Criterion, str, int, int], ...]

    @classmethod
    def of(cls, judge: JudgeConfig, asked: Asked, size: int | None = None) -> Ladder:
        """As `validate_judge` makes it, or of another size."""
        size = size or judge.ladder_size
        rows = _rows(asked, size)
        found = known_criteria.find_all(judge.criteria)
        return cls(
            judge, asked, size, pools_of_ladder(rows, asked.pools), (*_lacking(rows, found),)
        )

    @property
    def questions(self) -> int:
        return sum(self.pools.values())

    def can_carry(self, metric: str) -> bool:
        """Whether a verdict on a metric could rest on this judge. One that is not valid by one of
        its criteria is believed by none."""
        graded = known_criteria.find_all(self.judge.criteria)
        required = any(one.metric == metric and one.required for one in graded)
        return required and not self.lacking

    def record(self) -> dict[str, Any]:
        return {
            "judge": self.judge.display_name,
            "dataset": self.asked.name,
            "ladder_size": self.size,
            "questions": self.questions,
            **{f"from_{pool}": self.pools[pool] for pool in POOLS},
            "can_be_valid": not self.lacking,
            "lacking": [
                {"criterion": criterion.name, "rung": rung, "questions": n, "needed": needed}
                for criterion, rung, n, needed in self.lacking
            ],
        }

    def finding(self) -> Finding | None:
        """Why no judge can be shown to be valid by this ladder, with the size by which one can."""
        if not self.lacking:
            return None
        worst: dict[str, tuple[int, int]] = {}
        for _, rung, n, needed in self.lacking:
            worst[rung] = max(worst.get(rung, (n, 0)), (n, needed), key=lambda pair: pair[1])
        parts = [
            f"{counted(n, 'question')} with the rung “{RUNGS.get(rung, rung)}”, {needed} are needed"
            for rung, (n, needed) in worst.items()
        ]
        return Finding(
            PROBLEM,
            "judge",
            f"{self.asked.name}: {self.judge.display_name} cannot be shown to be valid, however "
            f"good it is: its ladder has {listed(parts)}.",
            self._remedy(),
        )

    def _remedy(self) -> str:
        everything = sum(len(questions) for questions in self.asked.pools.values())
        for size in self._larger():
            if self.size < size <= everything and self._enough(size):
                return f"`ladder_size: {size}` is enough."
        return (
            f"The data has {counted(everything, 'question')} in all, and no ladder of them is "
            "enough: the metrics that need no judge carry the verdict, or labels by people do "
            "(`rag-study label`)."
        )

    def _larger(self) -> Iterator[int]:
        """Sizes that may be enough: the least that ever is, then as many as it takes where rungs
        grow with the ladder, with some room."""
        least = least_ladder(known_criteria.find_all(self.judge.criteria))
        yield least
        short = max(needed / max(n, 1) for _, _, n, needed in self.lacking)
        if short <= _MOST_TIMES:
            yield from (max(least, math.ceil(room * short * self.size)) for room in _ROOM)

    def _enough(self, size: int) -> bool:
        return not Ladder.of(self.judge, self.asked, size).lacking


@lru_cache(maxsize=32)  # several judges have the same one, and it takes seconds
def _rows(asked: Asked, size: int) -> list[dict[str, Any]]:
    return ladder(looked_among(asked.pools, size), size)


def too_small(judges: Sequence[JudgeConfig]) -> Iterator[tuple[JudgeConfig, int]]:
    """Judges whose `ladder_size` shows nothing of any judge, on whatever data, with the least that
    could."""
    for judge in judges:
        least = least_ladder(known_criteria.find_all(judge.criteria))
        if judge.ladder_size < least:
            yield judge, least


def _lacking(
    rows: Sequence[Mapping[str, Any]], criteria: Sequence[Criterion]
) -> Iterator[tuple[Criterion, str, int, int]]:
    """As `requirements.check` would see it: general rungs count always, further ones where they are
    not rare in the data and enough questions have them to be looked at."""
    having: dict[str, set[str]] = defaultdict(set)
    shares: dict[str, float] = {}
    for row in rows:
        having[row["rung"]].add(row["question_id"])
        shares[row["rung"]] = row["share"]
    right = set().union(*(having[rung] for rung in _RIGHT))
    for criterion in criteria:
        for rung, bound in criterion.required.items():
            n, needed = min(len(having[rung]), len(right)), questions_for(bound)
            rare = rung in FURTHER and (n < MIN_QUESTIONS or shares.get(rung, 0.0) < MIN_SHARE)
            if n < needed and not rare:
                yield criterion, rung, n, needed
