"""Fixed pools for test, validation and training that share no group.

A question's pool depends on its group alone, and the order within a pool on ids alone, so asking
for more questions adds to what was there and a larger train size contains every smaller one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass

from scipy.cluster.hierarchy import DisjointSet

from rag_study.errors import StudyError
from rag_study.qa_datasets.schema import QADataset, Question

VALIDATION_SHARE = 0.10


@dataclass(frozen=True)
class Split:
    """Questions by pool, each question with its group; `counts` says how groups came about."""

    pools: dict[str, tuple[Question, ...]]
    counts: dict[str, int]

    def sizes(self) -> dict[str, int]:
        return {pool: len(questions) for pool, questions in self.pools.items()}


def split(dataset: QADataset, test_share: float = 0.25) -> Split:
    """Divide the questions by group into test, validation (10 %) and train.

    The test pool takes one question of every group before it takes a second of any, so that a
    small test set still has many independent groups. Raises StudyError when the data has too few
    groups to fill all three pools.
    """
    questions, counts = with_groups(dataset.questions)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.group].append(question)
    targets = {
        "test": test_share * len(questions),
        "validation": (test_share + VALIDATION_SHARE) * len(questions),
    }
    members: dict[str, list[list[Question]]] = {"train": [], "validation": [], "test": []}
    seen = 0
    for name in sorted(groups, key=_order):
        # The middle of a group decides, so that one large group does not swell a small pool.
        middle = seen + len(groups[name]) / 2
        seen += len(groups[name])
        pool = next((p for p in ("test", "validation") if middle <= targets[p]), "train")
        members[pool].append(sorted(groups[name], key=lambda q: _order(q.id)))
    pools = {pool: tuple(_round_robin(lists)) for pool, lists in members.items()}
    empty = [pool for pool, content in pools.items() if not content]
    if empty:
        raise StudyError(
            f"the data has {len(questions)} questions in {len(groups)} groups (questions that "
            "share a group, a gold document or their wording stay together); that is too few to "
            f"fill the {' and '.join(empty)} pool. More independent questions are needed."
        )
    return Split(pools, counts)


def with_groups(questions: tuple[Question, ...]) -> tuple[list[Question], dict[str, int]]:
    """Give every question a group: its own, else derived from shared gold documents.

    Questions with the same wording (case and punctuation aside) always share a group. A merged
    group takes the name of its first member.
    """
    sets = DisjointSet(q.id for q in questions)
    first: dict[tuple[str, str], str] = {}
    merged = {"groups given": 0, "joined by gold document": 0, "joined by same wording": 0}
    for question in questions:
        keys = [("wording", " ".join(re.findall(r"\w+", question.question.lower())))]
        if question.group is not None:
            keys.append(("group", question.group))
        else:
            keys += [("document", doc_id) for doc_id in question.gold_doc_ids]
        for key in keys:
            other = first.setdefault(key, question.id)
            if sets.merge(other, question.id) and key[0] != "group":
                reason = "gold document" if key[0] == "document" else "same wording"
                merged[f"joined by {reason}"] += 1
    merged["groups given"] = len({q.group for q in questions if q.group is not None})
    by_id = {q.id: q for q in questions}
    names: dict[str, str] = {}
    for question in questions:
        root = sets[question.id]
        names.setdefault(root, by_id[question.id].group or question.id)
    grouped = [dataclasses.replace(q, group=names[sets[q.id]]) for q in questions]
    merged["groups in all"] = len(set(names.values()))
    return grouped, merged


def train_subset(pool: list[Question], size: int, seed: int) -> list[Question]:
    """The first `size` questions of the pool in the seed's order: subsets of a seed are nested."""
    if size > len(pool):
        raise StudyError(f"train size {size} is above the {len(pool)} questions of the train pool.")
    return sorted(pool, key=lambda q: _order(f"{seed}:{q.id}"))[:size]


def _round_robin(lists: list[list[Question]]) -> list[Question]:
    rounds = itertools.zip_longest(*lists)
    return [question for one in rounds for question in one if question is not None]


def _order(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
