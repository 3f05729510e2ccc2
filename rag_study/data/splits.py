"""Fixed pools for test, validation and training that share no group and no question.

A question's pool depends on its group alone, and the order within a pool on ids alone, so asking
for more questions adds to what was there and a larger train size contains every smaller one.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rag_study.common.errors import StudyError
from rag_study.common.text import normalise
from rag_study.common.wording import counted
from rag_study.data import near_duplicates
from rag_study.data.grouping import Grouping, with_groups
from rag_study.data.schema import POOLS, QADataset, Question

VALIDATION_SHARE = 0.10
# A test pool of fewer groups than this says little, so no group may fill more of it.
_GROUPS_IN_TEST = 20


@dataclass(frozen=True)
class Split:
    """Questions by pool, each question with its group.

    `dropped` says which questions are in no pool: reason -> number. `groups` says how the groups
    came about, and which are too large for the test pool.
    """

    pools: dict[str, tuple[Question, ...]]
    dropped: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        return {pool: len(questions) for pool, questions in self.pools.items()}


def split(dataset: QADataset, test_share: float = 0.25) -> Split:
    """Divide the questions by group into test, validation (10 %) and train.

    Groups of more than a twentieth of the test pool go to training, the largest first, as long as
    its share lasts: a test pool that one of them fills would be about that group alone. All other
    groups are divided by chance. So test questions come from the smaller groups where sizes are
    very uneven, and `groups` says from how many they do not come.

    The test pool takes one question of every group before it takes a second of any, so that a
    small test set still has many independent groups. A near-duplicate of a question in another
    pool leaves the pool that is nearer to training. Raises StudyError, with what joined or dropped
    the questions, when the data has too few groups to fill all three pools.
    """
    return next(splits(dataset, [test_share]))[1]


def splits(dataset: QADataset, test_shares: Iterable[float]) -> Iterator[tuple[float, Split]]:
    """The shares one by one, each with what `split` gives for it; near-duplicates and groups, which
    take longest, are looked for once. Raises StudyError as `split`."""
    pairs = near_duplicates.find_pairs(dataset.questions)
    grouping = with_groups(dataset.questions, pairs)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in grouping.questions:
        groups[question.group].append(question)
    if len(groups) < len(POOLS):
        raise StudyError(_too_few(grouping))
    for share in test_shares:
        yield share, _split(groups, grouping, pairs, share)


def _split(
    groups: Mapping[str, Sequence[Question]],
    grouping: Grouping,
    pairs: Sequence[tuple[Question, Question]],
    test_share: float,
) -> Split:
    placed, large = _place(groups, test_share)
    pools = {
        pool: _round_robin(
            [sorted(groups[name], key=lambda q: hash_order(q.id)) for name in placed[pool]]
        )
        for pool in POOLS
    }
    dropped: Counter[str] = Counter()
    while gone := _drop_near_duplicates(pools, pairs):
        dropped += gone
        # With fewer questions words weigh otherwise.
        pairs = near_duplicates.find_pairs([q for content in pools.values() for q in content])
    if empty := [pool for pool, content in pools.items() if not content]:
        reasons = ", ".join(f"{reason}: {number}" for reason, number in dropped.items())
        raise StudyError(
            f"no question is left in the {' and '.join(empty)} pool: all were dropped "
            f"({reasons}). More questions that differ from each other are needed."
        )
    size = sum(len(groups[name]) for name in large)
    how = grouping.counts | {
        "groups too large for the test pool (in training)": len(large),
        "questions in these": size,
    }
    return Split({pool: tuple(content) for pool, content in pools.items()}, dict(dropped), how)


def _place(
    groups: Mapping[str, Sequence[Question]], test_share: float
) -> tuple[dict[str, list[str]], list[str]]:
    """Names of groups by pool, in the order of hashes, and those in training for their size."""
    sizes = {name: len(members) for name, members in groups.items()}
    total = sum(sizes.values())
    shares = {"test": test_share * total, "validation": VALIDATION_SHARE * total}
    room = total - sum(shares.values())
    largest_first = sorted(sizes, key=lambda name: (-sizes[name], hash_order(name)))
    limit = max(1.0, shares["test"] / _GROUPS_IN_TEST)
    uneven = sizes[largest_first[0]] > sizes[largest_first[-1]]
    large: list[str] = []
    used = 0.0
    for name in largest_first[: len(groups) - 2]:  # two are for the other pools
        # The middle of a group decides, so that one that is a little too large still fits.
        if not uneven or sizes[name] <= limit or (large and used + sizes[name] / 2 > room):
            break
        large.append(name)
        used += sizes[name]
    rest = sorted(sizes.keys() - set(large), key=hash_order)
    left = sum(sizes[name] for name in rest)
    # Where training is full already, test and validation share what is left.
    scale = min(1.0, left / sum(shares.values()))
    ends = {"test": shares["test"] * scale}
    ends["validation"] = ends["test"] + shares["validation"] * scale
    placed: dict[str, list[str]] = {pool: [] for pool in POOLS}
    seen = 0.0
    for name in rest:
        middle = seen + sizes[name] / 2
        seen += sizes[name]
        pool = next((p for p in ("test", "validation") if middle <= ends[p]), "train")
        placed[pool].append(name)
    placed["train"] = sorted([*placed["train"], *large], key=hash_order)
    _fill(placed, sizes)
    return placed, large


def _fill(placed: dict[str, list[str]], sizes: Mapping[str, int]) -> None:
    """Give a pool without any group the smallest of the pool with the most groups."""
    for names in placed.values():
        if not names:
            richest = max(placed.values(), key=len)
            smallest = min(richest, key=lambda name: (sizes[name], hash_order(name)))
            richest.remove(smallest)
            names.append(smallest)


def _too_few(grouping: Grouping) -> str:
    questions = len(grouping.questions)
    number = len({question.group for question in grouping.questions})
    advice = grouping.largest() if number < questions else "More questions are needed."
    return (
        f"the data has {counted(questions, 'question')} in {counted(number, 'group')}, too few to "
        "fill the pools for test, validation and training, which share no group. " + advice
    )


def leakage(pools: Mapping[str, Sequence[Question]]) -> dict[str, int]:
    """How many test questions have something in common with what is trained or tuned on.

    The first three would test a model on what it was trained on; `split` leaves none of them. A
    gold document in two pools comes from groups that the data itself gives; copies of a document
    count as one. A paraphrase has the same answer in other words (`near_duplicates.paraphrased`).
    One answer may be right for two different questions (counted for factoid ones; Lewis et al.
    2021, "Question and Answer Test-Train Overlap in Open-Domain Question Answering Datasets"): no
    error, but a model can gain from it.
    """
    test, other = pools["test"], [*pools["validation"], *pools["train"]]

    def common(values) -> int:
        seen = {value for question in other for value in values(question)}
        return sum(any(value in seen for value in values(question)) for question in test)

    both = near_duplicates.find_pairs([*test, *other])
    in_test = {question.id for question in test}
    crossing = {
        question.id
        for pair in both
        for question in pair
        if question.id in in_test and not all(member.id in in_test for member in pair)
    }
    return {
        "group in another pool": common(lambda q: [q.group]),
        "wording in another pool": common(lambda q: [(q.scope, near_duplicates.wording(q))]),
        "near-duplicate in another pool": len(crossing),
        "gold document in another pool": common(lambda q: q.gold_doc_ids),
        "paraphrase with the same answer in another pool": len(
            near_duplicates.paraphrased(test, other)
        ),
        "answer is also a training answer": common(
            lambda q: [normalise(q.reference)] if q.answer_type == "factoid" else []
        ),
    }


def _drop_near_duplicates(
    pools: dict[str, list[Question]], pairs: Sequence[tuple[Question, Question]]
) -> Counter[str]:
    """Take near-duplicates of other pools' questions out of `pools`, nearest to training first;
    how many of a question in which pool."""
    rank = {q.id: POOLS.index(pool) for pool, content in pools.items() for q in content}
    leaving: dict[str, str] = {}
    for one, other in pairs:
        low, high = sorted((one.id, other.id), key=rank.__getitem__)
        if rank[low] != rank[high]:
            kept_in = POOLS[rank[high]]
            if leaving.get(low) != "test":
                leaving[low] = kept_in
    for pool, content in pools.items():
        pools[pool] = [q for q in content if q.id not in leaving]
    return Counter(f"near-duplicate of a {pool} question" for pool in leaving.values())


def train_subset(pool: list[Question], size: int, seed: int) -> list[Question]:
    """The first `size` questions of the pool in the seed's order: subsets of a seed are nested."""
    if size > len(pool):
        raise StudyError(
            f"train size {size} is above the {counted(len(pool), 'question')} of the train pool."
        )
    return sorted(pool, key=lambda q: hash_order(f"{seed}:{q.id}"))[:size]


def _round_robin(lists: list[list[Question]]) -> list[Question]:
    rounds = itertools.zip_longest(*lists)
    return [question for turn in rounds for question in turn if question is not None]


def hash_order(key: str) -> str:
    """A sort key that shuffles the same way on every machine: the hash of a text."""
    return hashlib.sha256(key.encode()).hexdigest()
