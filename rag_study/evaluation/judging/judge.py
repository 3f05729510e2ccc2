"""What all judges have in common: what they are given, the rules, and the columns of a score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rag_study.common.text import normalise, same
from rag_study.data.schema import Question
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.judging import combination
from rag_study.evaluation.judging.cleaning import cleaned, shortened, without_grading_talk
from rag_study.evaluation.judging.evidence import Evidence, evidence
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.evaluation.refusals import is_empty, is_refusal

# Of the evidence, what explains a score to a reader.
EXPLAINING = (
    "match", "share", "points", "numbers", "other_number", "other_name", "denied", "rivals",
    "reference",
)  # fmt: skip
# Of further right answers, so many are shown to a judge that reads several.
MAX_SHOWN = 8
NO_PASSAGES = "the candidate was given no passages"
UNKNOWN_PASSAGES = "the passages of this answer are not known"


@dataclass(frozen=True)
class Item:
    """One answer to be judged.

    `passages` are (title, text) of what the candidate was given, None where that is not known;
    only criteria that ask for them see them. `unanswerable`: a refusal is the right answer.
    `also_right` are the further right answers beside the reference, and `key_points` the facts that
    a complete answer names, each with interchangeable wordings.
    """

    question: str
    reference: str
    candidate: str
    passages: tuple[tuple[str, str], ...] | None = None
    unanswerable: bool = False
    also_right: tuple[str, ...] = ()
    key_points: tuple[tuple[str, ...], ...] = ()

    @property
    def right(self) -> tuple[str, ...]:
        """All right answers, the reference first."""
        return (self.reference, *self.also_right)

    @classmethod
    def of(
        cls, question: Question, candidate: str, passages: Sequence[tuple[str, str]] | None = None
    ) -> Item:
        """An answer to a question. One whose reference is a refusal itself cannot be answered."""
        unanswerable = question.answer_type == "unanswerable" or is_refusal(question.reference)
        shown = None if passages is None else tuple(passages)
        # The wordings of "there is no answer" are for finding a refusal, not for showing.
        others = () if unanswerable else question.answers
        distinct = {normalise(text): text for text in reversed((question.reference, *others))}
        distinct.pop(normalise(question.reference))
        return cls(
            question.question,
            question.reference,
            candidate,
            shown,
            unanswerable,
            tuple(reversed(distinct.values())),
            question.key_points,
        )


@dataclass(frozen=True)
class Reading:
    """What a judge says by one criterion about one answer.

    `probabilities` are those of the digits 1 to 5, summing to 1; None where `missing` says why
    there are none. `mass` is the digits' share of the whole distribution, `outside` an upper bound
    of what a server did not tell of it. Several `samples` of a reasoning judge: `probabilities` is
    their mean, and `samples` has the score of each.
    """

    probabilities: tuple[float, ...] | None
    mass: float | None = None
    outside: float | None = None
    missing: str | None = None
    cut: bool = False
    reasoning: tuple[str, ...] = ()
    samples: tuple[float, ...] = ()


class Judge(ABC):
    """A model that grades answers by criteria. Subclasses say how a score is read off a model.

    `weighs_evidence`: its score is one of several pieces of evidence (`combination`), and it is
    shown the one right answer that fits the candidate best, since it learned from one; any other
    judge is shown all right answers, and its own score stands.
    """

    def __init__(self, name: str, criteria: Sequence[Criterion], weighs_evidence: bool = False):
        self.name = name
        self.criteria = tuple(criteria)
        self.weighs_evidence = weighs_evidence

    @property
    def metrics(self) -> Metrics:
        """All metrics, with those of its criteria."""
        return METRICS.with_criteria(self.criteria)

    @abstractmethod
    def _read(self, items: Sequence[Item]) -> dict[str, list[Reading]]:
        """Readings by criterion, one per item in their order. Items have no rule to go by."""

    def score(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Scores of one batch: a dict per item.

        For each criterion c it has `judge_<c>` (1..5; None where there is none), `judge_<c>_model`
        (the expectation over the model's digits), `judge_<c>_p` (their five probabilities),
        `judge_<c>_mass`, `_outside` (see `Reading`), `judge_<c>_entropy` (nats) and
        `judge_<c>_missing` (why there is no score). The score is the model's own, or, of a judge
        that weighs evidence, 1 + 4 P(right) by the model and by what can be read off the answer,
        which stands in `evidence_*` (see `Evidence`). Judges that reason add
        `judge_<c>_reasoning` and `judge_<c>_sd`. `judge_by_rule` is "empty", "refusal", "right
        refusal" or "equal" where the score comes from the criterion's rule, with all probability on
        its digit, and "" where the model was asked; `judge_cut` is 1 for a candidate of which the
        model saw only parts.
        """
        seen = [Seen.of(item, self.weighs_evidence) for item in items]
        asked = [n for n, one in enumerate(seen) if not all(map(one.has_rule, self.criteria))]
        # Equal answers to one question are read once.
        shown = {seen[n].shown: None for n in asked}
        readings = self._read(list(shown)) if shown else {}
        read = {item: i for i, item in enumerate(shown)}
        place = {n: read[seen[n].shown] for n in asked}
        rows: list[dict[str, Any]] = []
        for n, one in enumerate(seen):
            of_item = {
                criterion.name: _by_rule(criterion, one.rule)
                if one.has_rule(criterion)
                else Reading(None, missing=_no_passages(one.shown))
                if criterion.needs_passages and not one.shown.passages
                else readings[criterion.name][place[n]]
                for criterion in self.criteria
            }
            cut = one.cut or any(reading.cut for reading in of_item.values())
            row: dict[str, Any] = {"judge_by_rule": one.rule, "judge_cut": int(cut and n in place)}
            for criterion in self.criteria:
                row |= _columns(criterion.metric, of_item[criterion.name])
                if one.evidence and n in place and not one.has_rule(criterion):
                    row |= _weighed(criterion, row[criterion.metric], one.evidence)
            rows.append(row | _explanation(one.evidence) if self.weighs_evidence else row)
        return rows


@dataclass(frozen=True)
class Seen:
    """An item as a judge is shown it, the rule that it falls under, and its evidence."""

    shown: Item
    rule: str
    cut: bool
    evidence: Evidence | None

    @classmethod
    def of(cls, item: Item, weighs_evidence: bool) -> Seen:
        item = replace(item, candidate=cleaned(item.candidate, tuple(item.right)))
        rule = rule_for(item)
        if rule in _SILENT:
            return cls(item, rule, False, None)
        if rule == EQUAL and not weighs_evidence:
            # The rule would favour answers of the reference's own form over the sentences to which
            # a fair judge gives a little less than 5.
            rule = ""
        found = None
        told = without_grading_talk(item.candidate, item.question, item.right)
        if weighs_evidence:
            found = evidence(item.question, item.right, told, item.key_points)
        wanted = frozenset(word.lower() for text in item.right for word in text.split())
        candidate = shortened(told, wanted)
        reference = found.reference if found else _all_right(item)
        shown = replace(item, candidate=candidate, reference=reference)
        return cls(shown, rule, candidate != told, found)

    def has_rule(self, criterion: Criterion) -> bool:
        """Whether the criterion's score needs no model: silence always has its rule."""
        return self.rule in _SILENT or (self.rule == EQUAL and criterion.equal is not None)


EQUAL = "equal"
_SILENT = ("empty", "refusal", "right refusal")


def rule_for(item: Item) -> str:
    """The rule that scores an answer: "empty", "refusal", "right refusal", "equal"; "" for none.

    Equal is an answer that is a right one but for case, punctuation and articles, and, where a
    complete answer has several facts, the reference itself. It holds for judges that weigh
    evidence, whose right answers come near 5 in every form.
    """
    given = item.candidate.strip()
    if is_empty(given) and given not in item.right:  # the right answer may be a sign
        return "empty"
    whole = item.right if len(item.key_points) < 2 else (item.reference,)
    if not item.unanswerable and any(given == text or same(given, text) for text in whole):
        return EQUAL
    if is_refusal(item.candidate):
        return "right refusal" if item.unanswerable else "refusal"
    return ""


def _all_right(item: Item) -> str:
    """The reference with the other right answers behind it."""
    if not item.also_right:
        return item.reference
    return f"{item.reference}\nAlso right: {'; '.join(item.also_right[:MAX_SHOWN])}"


def _weighed(criterion: Criterion, model: float | None, found: Evidence) -> dict[str, Any]:
    """The score by all evidence; the model's own where there are no weights for the criterion."""
    weights = combination.weights(criterion.name)
    if model is None or weights is None:
        return {}
    return {criterion.metric: 1 + 4 * weights.probability(model, found)}


def _explanation(found: Evidence | None) -> dict[str, Any]:
    """What of the evidence explains a score to a reader; None where a rule needed none."""
    return {f"evidence_{name}": getattr(found, name, None) for name in EXPLAINING}


def _no_passages(item: Item) -> str:
    return UNKNOWN_PASSAGES if item.passages is None else NO_PASSAGES


def expectation(probabilities: Sequence[float]) -> float:
    """Mean digit under the probabilities of 1 to 5."""
    return sum(digit * p for digit, p in enumerate(probabilities, start=1))


def _by_rule(criterion: Criterion, rule: str) -> Reading:
    score = {
        "empty": criterion.empty,
        "refusal": criterion.refusal,
        "right refusal": criterion.right_refusal,
        EQUAL: criterion.equal,
    }[rule]
    if score is None:
        return Reading(None, missing=f"no score for an answer that claims nothing ({rule})")
    below, share = int(score), score - int(score)
    digits = [0.0] * 5
    digits[below - 1] = 1 - share
    if share:
        digits[below] = share
    return Reading(tuple(digits))


def _columns(metric: str, reading: Reading) -> dict[str, Any]:
    p = reading.probabilities
    row: dict[str, Any] = {
        metric: None if p is None else expectation(p),
        f"{metric}_model": None if p is None else expectation(p),
        f"{metric}_p": None if p is None else list(p),
        f"{metric}_mass": reading.mass,
        f"{metric}_outside": reading.outside,
        f"{metric}_entropy": None if p is None else -sum(q * math.log(q) for q in p if q > 0),
        f"{metric}_missing": reading.missing,
    }
    if reading.reasoning:
        row[f"{metric}_reasoning"] = list(reading.reasoning)
    if len(reading.samples) > 1:
        mean = sum(reading.samples) / len(reading.samples)
        squares = sum((score - mean) ** 2 for score in reading.samples)
        row[f"{metric}_sd"] = math.sqrt(squares / (len(reading.samples) - 1))
    return row
