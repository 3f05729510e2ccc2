"""What leaves an answer's facts as they are: its form, and the sentences it is put into."""

from __future__ import annotations

import re
from random import Random

from rag_study.data.schema import Question
from rag_study.evaluation.judging.rungs.facts import items_of

# Around an answer that has no other wording of its own. The reference string alone is no rung: a
# judge that only looks for equal strings would pass.
FRAMES = (
    "The answer to this is {}.",
    "It is {}.",
    "As far as the sources go: {}.",
    "What is asked for here is {}.",
)
SENTENCE_FRAMES = (
    "In short: {}",
    "The sources say this: {}",
    "{} That is what can be found about it.",
    "To answer the question: {}",
)
MAX_FRAMED = 14  # words; longer answers are taken for sentences


def otherwise(question: Question, answer: str, other: str | None, random: Random) -> dict[str, str]:
    """The right `answer` in other forms, by what was done; `other` is a wrong one, to be thought
    of first."""
    said = sentence(answer)
    made = {
        "citations": _cited(said, random),
        "markdown": random.choice(
            ("## Findings\n\n- {}", "*{}*", "> {}", "| Result |\n|---|\n| {} |")
        ).format(answer),
        "question restated": _restated(question, answer),
    }
    if re.search(r"[a-z]{3}", answer):
        made["capitals"] = answer.upper()
    items = items_of(answer)
    # Two of them may be one name ("Nagar and Haveli", "Paris, Texas").
    if len(items) > 2 or (len(items) > 1 and not answer[0].isupper()):
        turned = items[1:] + items[:1]
        made["order of the list"] = f"{', '.join(turned[:-1])} and {turned[-1]}"
    if other:
        made["wrong thinking first"] = (
            f"<think>\nThe first thing that comes to mind: {other.rstrip('.')}. Let me look at the "
            f"sources again before I decide.\n</think>\n\n{answer}"
        )
    return made


def right_thinking_first(answer: str, wrong: str) -> str:
    """A wrong answer behind thoughts that had the right one."""
    return (
        f"<think>\nThe sources seem to say: {answer.rstrip('.')}. I could say that. Let me check "
        f"once more.\n</think>\n\n{wrong}"
    )


def framed(answer: str, random: Random) -> str:
    """The answer in a sentence around it; a long one is a sentence already and stays."""
    if len(answer.split()) > MAX_FRAMED or answer.endswith((".", "!", "?")):
        return answer
    return random.choice(("{}", *FRAMES)).format(answer)


def sentence(text: str) -> str:
    """With a sign at its end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _cited(text: str, random: Random) -> str:
    """With numbers of sources in brackets, at its end and at the end of its sentences."""

    def marks() -> str:
        return "".join(f"[{n}]" for n in sorted(random.sample(range(1, 7), random.choice((1, 2)))))

    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text)
    return " ".join(f"{part[:-1].rstrip()} {marks()}{part[-1]}" for part in parts)


def _restated(question: Question, answer: str) -> str:
    """The question said again before the answer; to "Who built it?" as a statement."""
    asked = question.question.strip().rstrip("?").strip()
    match = re.match(r"(?i)who (?!is\b|was\b|are\b|were\b|did\b|does\b|do\b|has\b)(\w+.*)", asked)
    if match and len(answer.split()) <= MAX_FRAMED:
        return sentence(f"{answer} {match.group(1)}")
    return f'On the question of "{asked}", one has to say: {sentence(answer)}'
