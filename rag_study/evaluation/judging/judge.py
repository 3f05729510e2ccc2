"""What all judges have in common: what they are given, the rules, and the columns of a score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag_study.data.schema import Question
from rag_study.evaluation.criteria import Criterion
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.evaluation.refusals import is_empty, is_refusal

# Longer candidates are cut (and counted): a judge's prompt must keep its question and rubric. The
# number of characters is for scripts that have no spaces.
MAX_CANDIDATE_WORDS = 300
MAX_CANDIDATE_CHARACTERS = 4000
NO_PASSAGES = "the candidate was given no passages"
UNKNOWN_PASSAGES = "the passages of this answer are not known"


@dataclass(frozen=True)
class Item:
    """One answer to be judged.

    `passages` are (title, text) of what the candidate was given, None where that is not known;
    only criteria that ask for them see them. `unanswerable`: a refusal is the right answer.
    """

    question: str
    reference: str
    candidate: str
    passages: tuple[tuple[str, str], ...] | None = None
    unanswerable: bool = False

    @classmethod
    def of(
        cls, question: Question, candidate: str, passages: Sequence[tuple[str, str]] | None = None
    ) -> Item:
        """An answer to a question. One whose reference is a refusal itself cannot be answered."""
        unanswerable = question.answer_type == "unanswerable" or is_refusal(question.reference)
        shown = None if passages is None else tuple(passages)
        return cls(question.question, question.reference, candidate, shown, unanswerable)


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
    """A model that grades answers by criteria. Subclasses say how a score is read off a model."""

    def __init__(self, name: str, criteria: Sequence[Criterion]):
        self.name = name
        self.criteria = tuple(criteria)

    @property
    def metrics(self) -> Metrics:
        """All metrics, with those of its criteria."""
        return METRICS.with_criteria(self.criteria)

    @abstractmethod
    def _read(self, items: Sequence[Item]) -> dict[str, list[Reading]]:
        """Readings by criterion, one per item in their order. Items have no rule to go by."""

    def score(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Scores of one batch: a dict per item.

        For each criterion c it has `judge_<c>` (1..5, the expectation over the digits; None where
        there is none), `judge_<c>_p` (the five probabilities), `judge_<c>_mass`, `_outside` (see
        `Reading`), `judge_<c>_entropy` (nats) and `judge_<c>_missing` (why there is no score).
        Judges that reason add `judge_<c>_reasoning` and `judge_<c>_sd`. `judge_by_rule` is "empty",
        "refusal" or "right refusal" where the score comes from the criterion's rule, with all
        probability on its digit, and "" where the model was asked; `judge_cut` is 1 for a candidate
        of which the model saw only the beginning.
        """
        rules = [rule_for(item) for item in items]
        shortened = [_shortened(item) for item in items]
        for_model = [n for n, rule in enumerate(rules) if not rule]
        readings = self._read([shortened[n] for n in for_model]) if for_model else {}
        rows: list[dict[str, Any]] = []
        place = {n: i for i, n in enumerate(for_model)}
        for n, (item, rule) in enumerate(zip(items, rules, strict=True)):
            of_item = {
                criterion.name: _by_rule(criterion, rule)
                if rule
                else Reading(None, missing=_no_passages(item))
                if criterion.needs_passages and not item.passages
                else readings[criterion.name][place[n]]
                for criterion in self.criteria
            }
            cut = shortened[n] is not item or any(r.cut for r in of_item.values())
            row: dict[str, Any] = {"judge_by_rule": rule, "judge_cut": int(cut and not rule)}
            for criterion in self.criteria:
                row |= _columns(criterion.metric, of_item[criterion.name])
            rows.append(row)
        return rows


def rule_for(item: Item) -> str:
    """The rule that scores an answer: "empty", "refusal", "right refusal"; "" for none."""
    if is_empty(item.candidate):
        return "empty"
    if is_refusal(item.candidate):
        return "right refusal" if item.unanswerable else "refusal"
    return ""


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
    }[rule]
    if score is None:
        return Reading(None, missing=f"no score for an answer that claims nothing ({rule})")
    below, share = int(score), score - int(score)
    digits = [0.0] * 5
    digits[below - 1] = 1 - share
    if share:
        digits[below] = share
    return Reading(tuple(digits))


def _shortened(item: Item) -> Item:
    """The item itself, or with the beginning of its candidate."""
    words = item.candidate.split()
    text = " ".join(words[:MAX_CANDIDATE_WORDS])[:MAX_CANDIDATE_CHARACTERS]
    if len(words) <= MAX_CANDIDATE_WORDS and len(text) == len(" ".join(words)):
        return item
    return Item(item.question, item.reference, text, item.passages, item.unanswerable)


def _columns(metric: str, reading: Reading) -> dict[str, Any]:
    p = reading.probabilities
    row: dict[str, Any] = {
        metric: None if p is None else expectation(p),
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
