"""For which answers a judge was shown to agree with people, and whether a study has others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from rag_study.common import files
from rag_study.common.text import length
from rag_study.common.wording import listed
from rag_study.data.schema import Question
from rag_study.evaluation.judging.combination import LONG
from rag_study.evaluation.languages import language_of

KINDS = {
    "short": "one fact in a few words",
    "several": "several facts",
    "long": "an answer in sentences",
}
FEW = 0.05  # share of the questions that is not worth a sentence


def kind_of(question: Question) -> str:
    """Which of KINDS a right answer to the question is."""
    if len(question.key_points) > 1:
        return "several"
    return "long" if length(question.reference) >= LONG else "short"


def fit_sentences(judges: Iterable[str], questions: Sequence[Question]) -> list[str]:
    """What a reader must know of judges that were shown to agree with people on some kinds of
    answers only: one sentence per judge and reason, none where the questions are of those kinds."""
    if not questions:
        return []
    sentences = []
    for judge in dict.fromkeys(judges):
        known = _known().get(judge)
        if known is None:
            continue
        language = language_of([f"{q.question} {q.reference}" for q in questions])
        if language not in known["languages"]:
            sentences.append(
                f"The judge {judge} was shown to agree with people in {listed(known['languages'])} "
                f"only; the data is in {language or 'another language'}."
            )
        counts = Counter(map(kind_of, questions))
        other = {kind: counts[kind] for kind in KINDS if kind not in known["kinds"]}
        if sum(other.values()) > FEW * len(questions):
            shown = listed([KINDS[kind] for kind in known["kinds"]])
            asked = listed([KINDS[kind] for kind, n in other.items() if n])
            sentences.append(
                f"The judge {judge} was shown to agree with people where {shown} is asked for. "
                f"{100 * sum(other.values()) / len(questions):.0f} % of these questions ask for "
                f"{asked}. There its scores order answers less well: prefer a larger judge, or "
                "people's labels."
            )
    return sentences


@lru_cache(maxsize=1)
def _known() -> dict[str, Any]:
    return files.read_yaml(resources.files("rag_study.evaluation.judging") / "fit_for.yaml")
