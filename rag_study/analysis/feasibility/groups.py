"""Whether the test questions come in groups enough for a verdict, and what would make it so."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from rag_study import data
from rag_study.analysis.feasibility.asked import Asked, groups_of
from rag_study.analysis.feasibility.findings import NO_VERDICT, Finding
from rag_study.analysis.planning import MIN_CLUSTERS, are_enough, shortage
from rag_study.analysis.resampling import TOLERANCE
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.data.schema import POOLS, QADataset, Question
from rag_study.data.splits import Split, splits
from rag_study.study import stages

_MOST_SHARE, _STEP = 0.8, 0.05  # of `test_share`: the largest that is allowed, and tried by


def finding(asked: Asked) -> Finding | None:
    """Why the test questions of a data set carry no verdict, with the smallest change that makes
    them carry one; None where they do, or are not known yet."""
    if asked.pools is None:
        return None
    short = shortage(*asked.groups)
    if not short:
        return None
    return Finding(NO_VERDICT, "questions", f"{asked.name}: {short}.", _remedy(asked))


def nearest_size(questions: Sequence[Question], wanted: int, least: int = 1) -> int | None:
    """How many of the first questions of a pool come in groups enough: the number from `least` on
    that is nearest to `wanted`, of two as near the larger; None where no number does.

    More questions are not always more: the first ones are of one group each, and a large group
    that fills up the rest makes groups uneven.
    """
    sizes: Counter[str] = Counter()
    squares, enough = 0, []
    for number, question in enumerate(questions, start=1):
        name = question.group or question.id
        squares += 2 * sizes[name] + 1
        sizes[name] += 1
        if number >= least and are_enough(number * number / squares):
            enough.append(number)
    return min(enough, key=lambda number: (abs(number - wanted), -number), default=None)


def _remedy(asked: Asked) -> str:
    wanted = asked.dataset.test_size
    if size := nearest_size(asked.pools["test"], wanted):
        return f"`test_size: {size}` {_gives(asked.pools['test'][:size])}."
    fewer_trained = ""
    best: Split | None = None
    for share, divided in _divisions(asked):
        best = divided
        size = nearest_size(divided.pools["test"], wanted)
        if size is None:
            continue
        change = f"`test_share: {share:g}`" + (f" with `test_size: {size}`" * (size != wanted))
        given = f"{change} {_gives(divided.pools['test'][:size])}"
        left = len(divided.pools["train"])
        if left >= asked.train_size:
            return f"{given}."
        fewer_trained = fewer_trained or (
            f"{given}, and leaves {counted(left, 'question')} for training: lower `train_size` "
            f"({asked.train_size}) to that."
        )
    return fewer_trained or _more_needed(asked, best)


def _gives(questions: Sequence[Question]) -> str:
    groups, worth = groups_of(questions)
    uneven = math.floor(worth + TOLERANCE) < groups
    return f"gives {counted(groups, 'group')}" + f", worth {math.floor(worth)}" * uneven


def _divisions(asked: Asked) -> Iterator[tuple[float, Split]]:
    """The pools at larger shares of the test pool, as stage 01 would make them."""
    every = [question for pool in asked.pools.values() for question in pool]
    if groups_of(every)[0] < MIN_CLUSTERS + len(POOLS) - 1:
        return  # the other pools take one each
    now = asked.dataset.test_share
    steps = range(math.floor(now / _STEP + TOLERANCE) + 1, round(_MOST_SHARE / _STEP) + 1)
    shares = [round(step * _STEP, 2) for step in steps]
    try:
        yield from splits(_whole(asked), shares)
    except StudyError:
        return  # too few groups, or questions, to fill all pools


def _whole(asked: Asked) -> QADataset:
    """All questions; of data that is slow to read those that stage 01 has put into a pool."""
    if not stages.is_done(asked.prepared):
        return data.load(*asked.dataset.source)
    return QADataset(tuple(q for pool in asked.pools.values() for q in pool), ())


def _more_needed(asked: Asked, best: Split | None) -> str:
    """How many groups there would have to be in all, where no division of these does."""
    pools = best.pools if best else asked.pools
    every = [question for pool in pools.values() for question in pool]
    groups, _ = groups_of(every)
    sizes = Counter(question.group or question.id for question in every)
    name, largest = max(sizes.items(), key=lambda item: (item[1], item[0]))
    # Half of the groups for the test pool leaves as many for training.
    needed = 2 * MIN_CLUSTERS
    said = (
        f"No `test_share` gives {MIN_CLUSTERS} of the {counted(groups, 'group')} that the data has "
        f"in all. "
    )
    if largest > len(every) / MIN_CLUSTERS:
        said += (
            f"The largest, '{name}', has {largest} of {counted(len(every), 'question')}: give "
            "each question a "
            "`group` that says what must not be shared (a section, a customer), or ask about more "
            "documents; "
        )
    else:
        said += "Ask about more documents; "
    return f"{said}{needed} groups of one size with `test_share: 0.5` are enough."
