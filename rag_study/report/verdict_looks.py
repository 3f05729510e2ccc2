"""How a verdict and a decision look: in the page, in the figures, on a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rag_study.analysis.decision import DEPLOY, KEEP, OPEN


@dataclass(frozen=True)
class Look:
    """`css` is its class in the page; `colour` and `marker` are matplotlib's; `terminal` is a style
    of rich. Colours and markers both tell verdicts apart, so that a grey print does, too."""

    css: str
    colour: str
    marker: str
    terminal: str = ""


LOOKS = {
    "helps": Look("helps", "#00735a", ">", "bold green"),
    "hurts": Look("hurts", "#b3311a", "<", "bold red"),
    "no difference that matters": Look("same", "#0b5a99", "s"),
    "cannot tell": Look("unknown", "#7a5b00", "D", "yellow"),
    "no verdict": Look("none", "#555555", "X"),
}
DECISION_LOOKS = {
    DEPLOY: LOOKS["helps"],
    KEEP: replace(LOOKS["no difference that matters"], terminal="bold blue"),
    OPEN: LOOKS["cannot tell"],
}
# Of a comparison that is not primary.
NO_LOOK = Look("", "#333333", "D")
