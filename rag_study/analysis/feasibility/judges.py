"""Whether the judges of a study can be shown to be valid on its questions, whoever they are.

The ladder needs no model, so its rungs are counted as the check will make them, and the judge is
taken to make no mistake.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from rag_study.analysis import equivalence
from rag_study.analysis.feasibility import groups
from rag_study.analysis.feasibility.asked import Asked, groups_of
from rag_study.analysis.feasibility.findings import PROBLEM, Finding
from rag_study.analysis.resampling import TOLERANCE
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
from rag_study.evaluation.judging.style import style_rungs
from rag_study.evaluation.metrics import Metrics
from rag_study.study.sections import JudgeConfig

_RIGHT = ("gold", "paraphrase")
# A ladder so many times as large is looked for, with so much room; making one takes seconds.
_MOST_TIMES, _ROOM = 5, (1.1, 1.5)


@dataclass(frozen=True)
class Ladder:
    """The check of one judge on one data set, as far as it is known without the judge.

    `lacking` says of which rung of a criterion too few questions have one: (criterion, rung,
    questions, questions needed). `audited` are the questions, the groups of them and their worth in
    groups of equal size on which the audit of styles (`analysis.audit`) rests, `audit_needs` the
    least worth with which it can pass, by metric.
    """

    judge: JudgeConfig
    asked: Asked
    size: int
    pools: Mapping[str, int]
    lacking: tuple[tuple[Criterion, str, int, int], ...]
    audited: tuple[int, int, float]
    audit_needs: Mapping[str, float]

    @classmethod
    def of(
        cls, judge: JudgeConfig, asked: Asked, metrics: Metrics, size: int | None = None
    ) -> Ladder:
        """As `validate_judge` makes it, or of another size."""
        size = size or judge.ladder_size
        rows = _rows(asked, size)
        found = known_criteria.find_all(judge.criteria)
        pools, lacking = pools_of_ladder(rows, asked.pools), (*_lacking(rows, found),)
        needs = {one.metric: _needed_by_audit(one.metric, metrics) for one in found}
        return cls(judge, asked, size, pools, lacking, _audited(asked, size), needs)

    @property
    def _criteria(self) -> tuple[Criterion, ...]:
        return known_criteria.find_all(self.judge.criteria)

    @property
    def questions(self) -> int:
        return sum(self.pools.values())

    def can_carry(self, metric: str) -> bool:
        """Whether a verdict on a metric could rest on this judge. One that is not valid by one of
        its criteria is believed by none."""
        required = any(one.metric == metric and one.required for one in self._criteria)
        return required and not self.lacking and metric not in self.not_auditable

    @property
    def not_auditable(self) -> list[str]:
        """Metrics of which no audit on this ladder can show that style does not decide."""
        number, _, worth = self.audited
        return [
            metric
            for metric, needed in self.audit_needs.items()
            if number < equivalence.MIN_QUESTIONS or worth < needed - TOLERANCE
        ]

    def record(self) -> dict[str, Any]:
        return {
            "judge": self.judge.display_name,
            "dataset": self.asked.name,
            "ladder_size": self.size,
            "questions": self.questions,
            **{f"from_{pool}": self.pools[pool] for pool in POOLS},
            "can_be_valid": not self.lacking,
            "audit_groups": self.audited[1],
            "audit_groups_worth": self.audited[2],
            "can_be_audited": not self.not_auditable,
            "lacking": [
                {"criterion": criterion.name, "rung": rung, "questions": n, "needed": needed}
                for criterion, rung, n, needed in self.lacking
            ],
        }

    def findings(self) -> Iterator[Finding]:
        """Why no judge can be shown to be valid by this ladder, or to be fair to styles, with the
        size by which one can."""
        if self.lacking:
            yield self._of_rungs()
        if self.not_auditable:
            yield self._of_audit()

    def _of_audit(self) -> Finding:
        number, found, worth = self.audited
        uneven = f", worth {math.floor(worth)} of one size," * (math.floor(worth) < found)
        few, needed = f"{counted(number, 'question')} of", equivalence.MIN_QUESTIONS
        if number >= needed:
            few = f"{counted(number, 'question')} in {counted(found, 'group')}{uneven} of"
            needed = math.ceil(max(self.audit_needs[metric] for metric in self.not_auditable))
        return Finding(
            PROBLEM,
            "judge",
            f"{self.asked.name}: {self.judge.display_name} cannot be shown to treat answers of all "
            f"styles alike, however good it is: its check has {few} the {needed} needed.",
            self._remedy(),
        )

    def _of_rungs(self) -> Finding:
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
        for size in self._other_sizes():
            if size != self.size and size <= everything and self._enough(size):
                return f"`ladder_size: {size}` is enough."
        return (
            f"The data has {counted(everything, 'question')} in all, and no ladder of them is "
            "enough: the metrics that need no judge carry the verdict, or labels by people do "
            "(`rag-study label`)."
        )

    def _other_sizes(self) -> Iterator[int]:
        """Sizes that may be enough: the least that ever is, then as many as it takes where rungs
        grow with the ladder, with some room; and the nearest whose questions come in groups enough,
        which of uneven groups may be fewer."""
        least = least_ladder(self._criteria)
        yield least
        if self.not_auditable:
            everything = sum(map(len, self.asked.pools.values()))
            every = looked_among(self.asked.pools, everything)
            nearest = groups.nearest_size(every, self.size, least)
            yield from () if nearest is None else (nearest, math.ceil(_ROOM[0] * nearest))
        if not self.lacking:
            return
        short = max(needed / max(n, 1) for _, _, n, needed in self.lacking)
        if short <= _MOST_TIMES:
            yield from (max(least, math.ceil(room * short * self.size)) for room in _ROOM)

    def _enough(self, size: int) -> bool:
        grown = replace(
            self,
            size=size,
            lacking=(*_lacking(_rows(self.asked, size), self._criteria),),
            audited=_audited(self.asked, size),
        )
        return not grown.lacking and not grown.not_auditable


@lru_cache(maxsize=32)  # several judges have the same one, and it takes seconds
def _rows(asked: Asked, size: int) -> list[dict[str, Any]]:
    return ladder(looked_among(asked.pools, size), size)


@lru_cache(maxsize=32)
def _audited(asked: Asked, size: int) -> tuple[int, int, float]:
    """Questions with a right and a wrong answer in all styles, their groups, and the worth of
    these."""
    questions = looked_among(asked.pools, size)[:size]
    made = {row["question_id"] for row in style_rungs(questions)}
    return len(made), *groups_of([q for q in questions if q.id in made])


def _needed_by_audit(metric: str, metrics: Metrics) -> float:
    """The least worth in groups with which the audit of a metric passes; 0 without a margin."""
    if metric not in metrics or not (margin := metrics[metric].margin):
        return 0.0
    unseen = equivalence.unseen_error(margin, metrics[metric].width)
    return equivalence.groups_to_pass(equivalence.LIMIT * margin, unseen)


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
