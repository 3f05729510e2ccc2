"""In which contexts a question can be asked: one table. Nothing here reads a passage.

What is given in each is chosen in `contexts`. All passages come best first: where a model's window
is too short, the last ones are dropped, in whatever order the prompt shows them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """A context in words for people: `label` follows "answers", `shown` says what stands in the
    prompt. `right passages` are those that hold the answer, the gold passages of the data."""

    label: str
    shown: str


# In the order in which they are shown. Questions disjoint from training cannot show whether a model
# knows by heart what it was trained on: `training` asks those.
CONDITIONS: dict[str, Condition] = {
    "none": Condition("without passages", "the question alone"),
    "retrieved": Condition("with retrieved passages", "what the search finds"),
    "oracle": Condition("with the right passages", "those that hold the answer"),
    "distractor": Condition(
        "with passages that lack the answer", "what the search likes best of those without it"
    ),
    "counterfactual": Condition(
        "with changed passages",
        "the right passages, the answer in them replaced by another of its kind",
    ),
    "training": Condition("on training questions", "those trained on, without passages"),
}
ORDERS = ("best_first", "best_last")  # of the passages in the prompt
