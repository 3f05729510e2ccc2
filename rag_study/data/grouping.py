"""Which questions must stay together: groups that the data gives, and those that are derived."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.cluster.hierarchy import DisjointSet

from rag_study.data import near_duplicates
from rag_study.data.schema import Question

_GOLD, _WORDING, _NEAR = "gold document", "same wording", "near-duplicate"
# What may be done where a rule joins too much.
_WAYS_OUT = {
    _GOLD: "they share gold documents, one with the next. Give the questions a `group` each that "
    "says what must not be shared (a paper, a customer): then gold documents join nothing",
    _WORDING: "they have the same wording. Where they are about different documents, give each "
    "its `scope`",
    _NEAR: "they are near-duplicates of each other. Give the questions a `group`, or more that "
    "differ",
}


@dataclass(frozen=True)
class Grouping:
    """Every question with a group, and `counts` of how the groups came about.

    `joins` says for each group how many of its questions each rule joined to another.
    """

    questions: list[Question]
    counts: dict[str, int]
    joins: Mapping[str, Counter[str]]

    def largest(self) -> str:
        """Two sentences: the largest group with what made it, and what to do."""
        sizes = Counter(question.group for question in self.questions)
        name, size = max(sizes.items(), key=lambda item: (item[1], item[0]))
        rules = self.joins[name]
        if not rules:
            return (
                f"The largest, '{name}', which the data itself gives, has {size} of them. More "
                "groups are needed, or smaller ones."
            )
        rule = rules.most_common(1)[0][0]
        return f"The largest, '{name}', has {size} of them: {_WAYS_OUT[rule]}."


def with_groups(
    questions: Sequence[Question], pairs: Sequence[tuple[Question, Question]] = ()
) -> Grouping:
    """Give every question a group: its own, else derived.

    Without one of their own, questions that share a gold document and near-duplicates (`pairs`)
    share a group. Questions with the same wording (case and punctuation aside) and the same scope
    always do. A merged group takes the first of its members' names.
    """
    sets = DisjointSet(q.id for q in questions)
    first: dict[tuple[str, ...], str] = {}
    joined: list[tuple[str, str]] = []  # (rule, a question that it joined)
    for question in questions:
        words = near_duplicates.wording(question)
        keys = [(_WORDING, question.scope or "", words)]
        if question.group is not None:
            keys.append(("group", question.group))
        else:
            keys += [(_GOLD, doc_id) for doc_id in question.gold_doc_ids]
        for key in keys:
            if sets.merge(first.setdefault(key, question.id), question.id) and key[0] != "group":
                joined.append((key[0], question.id))
    for one, other in pairs:
        if one.group is None and other.group is None and sets.merge(one.id, other.id):
            joined.append((_NEAR, one.id))
    names: dict[str, str] = {}
    for question in questions:
        root, name = sets[question.id], question.group or question.id
        names[root] = min(name, names.get(root, name))
    grouped = [dataclasses.replace(q, group=names[sets[q.id]]) for q in questions]
    joins: dict[str, Counter[str]] = {name: Counter() for name in names.values()}
    for rule, question_id in joined:
        joins[names[sets[question_id]]][rule] += 1
    by_rule = Counter(rule for rule, _ in joined)
    sizes = Counter(q.group for q in grouped)
    counts = {
        "groups given by the data": len({q.group for q in questions if q.group is not None}),
        **{f"joined by {rule}": by_rule[rule] for rule in (_GOLD, _WORDING, _NEAR)},
        "groups in all": len(sizes),
        "questions in the largest group": max(sizes.values(), default=0),
    }
    return Grouping(grouped, counts, joins)
