"""Fixed pools for test, validation and training that share no group and no question.

A question's pool depends on its group alone, and the order within a pool on ids alone, so asking
for more questions adds to what was there and a larger train size contains every smaller one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scipy.cluster.hierarchy import DisjointSet

from rag_study.common.errors import StudyError
from rag_study.common.text import normalise
from rag_study.data import near_duplicates
from rag_study.data.schema import POOLS, QADataset, Question

VALIDATION_SHARE = 0.10


@dataclass(frozen=True)
class Split:
    """Questions by pool, each question with its group.

    `dropped` says which questions are in no pool: reason -> number. `groups` says how the groups
    came about.
    """

    pools: dict[str, tuple[Question, ...]]
    dropped: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        return {pool: len(questions) for pool, questions in self.pools.items()}


def split(dataset: QADataset, test_share: float = 0.25) -> Split:
    """Divide the questions by group into test, validation (10 %) and train.

    The test pool takes one question of every group before it takes a second of any, so that a
    small test set still has many independent groups. A near-duplicate of a question in another
    pool leaves the pool that is nearer to training. Raises StudyError when the data has too few
    groups to fill all three pools.
    """
    pairs = near_duplicates.find_pairs(dataset.questions)
    questions, how = with_groups(dataset.questions, pairs)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.group].append(question)
    targets = {
        "test": test_share * len(questions),
        "validation": (test_share + VALIDATION_SHARE) * len(questions),
    }
    members: dict[str, list[list[Question]]] = {pool: [] for pool in POOLS}
    seen = 0
    for name in sorted(groups, key=hash_order):
        # The middle of a group decides, so that one large group does not swell a small pool.
        middle = seen + len(groups[name]) / 2
        seen += len(groups[name])
        pool = next((p for p in ("test", "validation") if middle <= targets[p]), "train")
        members[pool].append(sorted(groups[name], key=lambda q: hash_order(q.id)))
    pools = {pool: _round_robin(lists) for pool, lists in members.items()}
    dropped = _drop_near_duplicates(pools, pairs)
    empty = [pool for pool, content in pools.items() if not content]
    if empty:
        raise StudyError(
            f"the data has {len(questions)} questions in {len(groups)} groups (questions that "
            "share a group, a gold document or their wording stay together); that is too few to "
            f"fill the {' and '.join(empty)} pool. More independent questions are needed."
        )
    return Split({pool: tuple(content) for pool, content in pools.items()}, dropped, how)


def with_groups(
    questions: Sequence[Question], pairs: Sequence[tuple[Question, Question]] = ()
) -> tuple[list[Question], dict[str, int]]:
    """Give every question a group: its own, else derived.

    Without one of their own, questions that share a gold document and near-duplicates (`pairs`)
    share a group. Questions with the same wording (case and punctuation aside) and the same scope
    always do. A merged group takes the first of its members' names. The second result counts how
    the groups came about.
    """
    sets = DisjointSet(q.id for q in questions)
    first: dict[tuple[str, ...], str] = {}
    joined = Counter({"gold document": 0, "same wording": 0, "near-duplicate": 0})
    for question in questions:
        words = near_duplicates.wording(question)
        keys = [("same wording", question.scope or "", words)]
        if question.group is not None:
            keys.append(("group", question.group))
        else:
            keys += [("gold document", doc_id) for doc_id in question.gold_doc_ids]
        for key in keys:
            if sets.merge(first.setdefault(key, question.id), question.id) and key[0] in joined:
                joined[key[0]] += 1
    for one, other in pairs:
        if one.group is None and other.group is None:
            joined["near-duplicate"] += sets.merge(one.id, other.id)
    names: dict[str, str] = {}
    for question in questions:
        root, name = sets[question.id], question.group or question.id
        names[root] = min(name, names.get(root, name))
    grouped = [dataclasses.replace(q, group=names[sets[q.id]]) for q in questions]
    return grouped, {
        "groups given by the data": len({q.group for q in questions if q.group is not None}),
        **{f"joined by {reason}": number for reason, number in joined.items()},
        "groups in all": len(set(names.values())),
    }


def leakage(pools: Mapping[str, Sequence[Question]]) -> dict[str, int]:
    """How many test questions have something in common with what is trained or tuned on.

    The first three would test a model on what it was trained on; `split` leaves none of them. A
    gold document in two pools comes from groups that the data itself gives. One answer may be
    right for two different questions (counted for factoid ones; Lewis et al. 2021, "Question and
    Answer Test-Train Overlap in Open-Domain Question Answering Datasets"): no error, but a model
    can gain from it.
    """
    test, other = pools["test"], [*pools["validation"], *pools["train"]]

    def common(values) -> int:
        seen = {value for question in other for value in values(question)}
        return sum(any(value in seen for value in values(question)) for question in test)

    both = near_duplicates.find_pairs([*test, *other])
    in_test = {question.id for question in test}
    crossing = {a.id for a, b in both if (a.id in in_test) != (b.id in in_test)}
    return {
        "group in another pool": common(lambda q: [q.group]),
        "wording in another pool": common(lambda q: [(q.scope, near_duplicates.wording(q))]),
        "near-duplicate in another pool": len(crossing),
        "gold document in another pool": common(lambda q: q.gold_doc_ids),
        "answer is also a training answer": common(
            lambda q: [normalise(q.reference)] if q.answer_type == "factoid" else []
        ),
    }


def _drop_near_duplicates(
    pools: dict[str, list[Question]], pairs: Sequence[tuple[Question, Question]]
) -> dict[str, int]:
    """Take near-duplicates of other pools' questions out of `pools`, nearest to training first."""
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
    dropped = Counter(leaving.values())
    return {
        f"near-duplicate of a {pool} question": dropped[pool] for pool in ("test", "validation")
    }


def train_subset(pool: list[Question], size: int, seed: int) -> list[Question]:
    """The first `size` questions of the pool in the seed's order: subsets of a seed are nested."""
    if size > len(pool):
        raise StudyError(f"train size {size} is above the {len(pool)} questions of the train pool.")
    return sorted(pool, key=lambda q: hash_order(f"{seed}:{q.id}"))[:size]


def _round_robin(lists: list[list[Question]]) -> list[Question]:
    rounds = itertools.zip_longest(*lists)
    return [question for turn in rounds for question in turn if question is not None]


def hash_order(key: str) -> str:
    """A sort key that shuffles the same way on every machine: the hash of a text."""
    return hashlib.sha256(key.encode()).hexdigest()
