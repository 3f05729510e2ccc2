"""One score from what a small judge says and what can be read off an answer.

A logistic model of P(the answer deserves 5 by the criterion), and the score is 1 + 4 P: it never
falls with the model's score. The weights are data (`evidence_weights.yaml`), fitted on answers that
people graded; the file says on how many, and how well it orders answers that were not among them.
Short right answers (a name, a number) and longer ones (sentences, several facts) have weights of
their own, and between the two sizes the logits are mixed. To a question with a short right answer
an answer is right or wrong, and its score should not say how certain that is, which goes with the
answer's form: there the logit counts SHARPER times. That leaves the order as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from rag_study.common import files
from rag_study.evaluation.judging.evidence import Evidence

# Words of the right answer, without the empty ones: a short one, and one that is long for certain.
SHORT, LONG = 5, 9
# The model's logit counts as far as this (scores of 1.2 and 4.5): it must not outvote all else, and
# it is no less certain of half an answer than of the whole one.
LEAST, MOST = -3.0, 2.0
CASES = ("held", "partly", "nothing")
# Share of words in common that is more than nothing, of a long right answer and a shorter one: in a
# long text half of a short answer's words stand together by chance.
LITTLE, SOME, MUCH, A_TEXT = 0.2, 0.3, 0.6, 80
SHARPER = 2.0
DENIED = 0.1  # of the probability of an answer that negates what matches, or is a fragment
# Words of an answer: of longer ones people graded few.
LONGEST = 60
_FILE = "evidence_weights.yaml"


@dataclass(frozen=True)
class Weights:
    """Of one criterion: by "short" and "long", the weight of each feature and the `constant`."""

    short: Mapping[str, float]
    long: Mapping[str, float]

    def probability(self, model: float, evidence: Evidence) -> float:
        """P(right) from the model's score (1 to 5) and the evidence."""
        values = features(model, evidence)
        share = min(1.0, max(0.0, (evidence.size - SHORT) / (LONG - SHORT)))
        logit = sum(
            part * sum(weight * values[name] for name, weight in weights.items())
            for part, weights in ((SHARPER * (1 - share), self.short), (share, self.long))
            if part
        )
        p = 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))
        # Of several guesses one is right at most; what is taken back is not said, and a word out of
        # a long answer says nothing.
        said = DENIED if evidence.denied or evidence.fragment else 1.0
        return said * p / (1 + evidence.rivals)


def features(model: float, evidence: Evidence) -> dict[str, float]:
    """All features by name; a criterion's weights use some of them."""
    e = evidence
    certain = _logit(model)
    if e.other_number and not e.match:
        certain = min(certain, 0.0)  # a wrong number is what a small model overlooks
    values = {
        "constant": 1.0,
        "model": certain,
        "share": e.share,
        "overlap": e.overlap,
        "f1": e.f1,
        "points": e.points,
        "other_number": float(e.other_number),
        "other_name": float(e.other_name),
    }
    # What the model says counts differently where the words are there and where they are not.
    for name in CASES:
        here = float(name == case(e))
        values |= {name: here, f"{name}_model": here * certain}
    # Long answers say more of it in other words. Of what holds all or nothing, length says nothing.
    values["partly_length"] = values["partly"] * math.log(min(max(e.words, 1), LONGEST) / 20)
    return values


def case(evidence: Evidence) -> str:
    """Which of CASES: it holds a right answer, part of its words, or next to nothing."""
    if evidence.match:
        return "held"
    by_chance = MUCH if evidence.words > A_TEXT else SOME
    some = by_chance if evidence.size <= (SHORT + LONG) / 2 else LITTLE
    return "partly" if max(evidence.share, evidence.overlap) >= some else "nothing"


def _logit(score: float) -> float:
    p = min(0.99, max(0.01, (score - 1) / 4))
    return max(LEAST, min(MOST, math.log(p / (1 - p))))


@lru_cache(maxsize=1)
def shipped() -> dict[str, Any]:
    """The content of the weights' file: `weights` by criterion, and what they were fitted on."""
    return files.read_yaml(_place())


def weights(criterion: str) -> Weights | None:
    """The weights of a criterion; None where there are none, and the model's own score stands."""
    found = shipped()["weights"].get(criterion)
    return None if found is None else Weights(found["short"], found["long"])


def _place() -> Any:
    return resources.files("rag_study.evaluation.judging") / _FILE
