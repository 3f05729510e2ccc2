"""What of an answer is form: taken away before it is judged, and before it is compared.

Citations, links, markdown and blocks of reasoning say nothing about whether an answer is right, and
a judge must not like or dislike them. Sentences that speak to the grader are not shown to it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rag_study.common.reasoning import answer_in

# Longer candidates are shown in three parts: a judge's prompt must keep its question and rubric.
# The number of characters is for scripts that have no spaces.
MAX_WORDS = 300
MAX_CHARACTERS = 4000
GAP = " […] "

_CONTROL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\]\((?:https?:|www\.|#|/)[^)\s]*\)")
_ADDRESS = re.compile(r"<?\bhttps?://\S+|\bwww\.\S+\.\S+")
_CITATION = re.compile(
    r"\s?\[\^?(?:\d{1,3}(?:\s?[,;–-]\s?\d{1,3})*|doc(?:ument)? ?\d+|passage ?\d+|source ?\d+)\^?\]"
    r"|\s?【[^】\n]{1,30}】|\s?\((?:passages?|documents?|sources?|doc\.?|source:) ?[\d, and]+\)",
    re.IGNORECASE,
)
# What is taken out, what stays of it, and what in a right answer speaks against that.
_FORMS = (
    (_CONTROL, " ", _CONTROL),
    (_LINK, r"\1", _ADDRESS),
    (_ADDRESS, "", _ADDRESS),
    (_CITATION, "", _CITATION),
)
_MARKS = (
    (re.compile(r"```\w*\n?|`"), ""),
    (re.compile(r"(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1", re.DOTALL), r"\2"),
    (re.compile(r"(?<![\w*])[*_](?=\S)([^*_\n]+?)(?<=\S)[*_](?![\w*])"), r"\1"),
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,3}>[ \t]?", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*[*•+][ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t|:-]*-{3,}[ \t|:-]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*$", re.MULTILINE), ""),
)
_SPACES = re.compile(r"[ \t\u00a0]+")
# Speaks of the grading, not of the question.
_TO_THE_GRADER = re.compile(
    r"\b(?:graders?|rubrics?|marking schemes?|grading (?:guide|guidelines?|notes?|instructions?|"
    r"criteria|scheme|rules?))\b"
    r"|\b(?:dear|to the|for the|attention|hey) (?:evaluators?|examiners?|judges?|reviewers?)\b"
    r"|\b(?:evaluators?|examiners?|judges?|reviewers?)\s?[:,] "
    r"|\b(?:reference|gold|model|expected|official) (?:answer|solution|response|key)\b"
    r"|\breference\s?:|\bthe reference (?:is|was|has|says|contains|above|itself)\b"
    r"|\b(?:the|this) candidate(?:['’]s)? (?:answer|response|reply|deserves|should|must|"
    r"is (?:right|correct|verified))\b"
    r"|\b(?:full|top|maximum|highest|perfect|best) (?:marks?|grades?|scores?|points|rating)\b"
    r"|\b(?:score|grade|rate|rating|mark|points?|stars?)\b\W{0,3}(?:(?:is|of|as|it|this|be|must|"
    r"should|a|an|=|with)\W{1,3}){0,4}(?:[1-5]|five)\b(?!\s?(?:%|percent|to \d|[:–-]\s?\d))"
    r"|\b(?:5|five)\s?(?:/|out of|of)\s?(?:5|five)\b|\b(?:5|five) (?:points|stars|marks)\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:above|previous|prior|instructions?|rules|"
    r"earlier|reference)\b"
    r"|\A\W*[1-5]\W*\Z",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=\S)|\n+")


@lru_cache(maxsize=20_000)
def cleaned(answer: str, right: tuple[str, ...] = ()) -> str:
    """The answer without reasoning, control tokens, citations, links and markdown.

    What is left keeps its words, its order and its lines. An answer that is nothing but reasoning
    is left without words. What a `right` answer has, an address or a bracketed number, is no form.
    """
    text = answer_in(answer).text
    for pattern, kept, unless in _FORMS:
        if not any(unless.search(one) for one in right):
            text = pattern.sub(kept, text)
    for pattern, kept in _MARKS:
        text = pattern.sub(kept, text)
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.splitlines()).strip()


def without_grading_talk(answer: str, question: str, references: tuple[str, ...]) -> str:
    """The answer without the sentences that speak of its grading.

    One that holds a word of a right answer stays, which no sentence to the grader can know. All do
    where question or right answers speak of such things, and where nothing else would be left.
    """
    if not _TO_THE_GRADER.search(answer):
        return answer
    if any(_TO_THE_GRADER.search(text) for text in (question, *references)):
        return answer
    right = {word for text in references for word in _telling(text)} - _telling(question)
    kept = [
        part
        for part in sentences(answer)
        if not _TO_THE_GRADER.search(part) or right & _telling(part)
    ]
    return " ".join(kept) or answer


def _telling(text: str) -> set[str]:
    """Words of at least four letters, and numbers of at least two digits."""
    words = _WORD.findall(text.lower())
    return {word for word in words if len(word) > 3 or (word.isdigit() and len(word) > 1)}


def sentences(text: str) -> list[str]:
    """Sentences and lines of a text, without the empty ones."""
    return [part for part in _SENTENCES.split(text) if part.strip()]


def shortened(answer: str, wanted: frozenset[str]) -> str:
    """The answer, or of a long one the beginning, the end, and the part that has most of the
    `wanted` words (lower case): a third of the room each."""
    words = answer.split()
    third = MAX_WORDS // 3
    if len(words) > MAX_WORDS:
        rest = words[third:-third]
        hits = [word.strip(".,;:!?()\"'").lower() in wanted for word in rest]
        starts = range(0, max(1, len(rest) - third + 1), 10)
        start = max(starts, key=lambda place: sum(hits[place : place + third]))
        parts = (words[:third], rest[start : start + third], words[-third:])
        answer = GAP.join(" ".join(part) for part in parts)
    if len(answer) > MAX_CHARACTERS:
        half = MAX_CHARACTERS // 2
        answer = answer[:half] + GAP + answer[-half:]
    return answer
