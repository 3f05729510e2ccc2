"""What in an answer can be made wrong, and what other questions lend to be put in its place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from random import Random

from rag_study.common.text import contains, normalise
from rag_study.data.schema import Question
from rag_study.evaluation.judging.rungs import numbers

_ASKING = frozenset(("who", "whom", "whose", "when", "where"))
LONGEST = 6  # words of one fact
_SMALL = frozenset("of the and de la du von van der den al bin in on for to a an".split())
# Pairs of which the one is as wrong as the other is right.
_CONTRARY = [
    tuple(pair.split(":"))
    for pair in (
        "strong:weak hot:cold wet:dry full:empty inside:outside open:closed gained:lost "
        "accepted:rejected allowed:forbidden active:passive private:public possible:impossible "
        "permanent:temporary similar:different accelerates:slows heavy:light rural:urban "
        "voluntary:compulsory supports:opposes won:lost deep:shallow thick:thin fast:slow "
        "left:right southern:northern western:eastern reduces:raises reduced:raised "
        "prevents:causes prevented:caused includes:excludes included:excluded mainly:hardly "
        "success:failure approved:refused benign:malignant acute:chronic"
    ).split()
]
_TURNED = {one: other for a, b in _CONTRARY for one, other in ((a, b), (b, a))}
_TURNABLE = re.compile(rf"\b(?:{'|'.join(_TURNED)})\b")
_VERB = re.compile(r"(?<=\w )(is|are|was|were|has|have|can|will|may)(?= (?!not\b|never\b)[a-z])")
_DOING = re.compile(r"\b(?:[Ww]e|[Tt]hey|[Ii]t|[Hh]e|[Ss]he)\b(?= (?!is|was|are|were)[a-z]{3,})")
_NEVER = {"is": "is never", "are": "are never", "was": "was never", "were": "were never"}


class Facts:
    """The facts of a data set's answers. `questions` lend each other what is put in."""

    def __init__(self, questions: Sequence[Question]):
        # By kind: the fact, its question's id, and the words of that question.
        self._lent: dict[str, list[tuple[str, str, frozenset[str]]]] = {}
        for question in questions:
            if question.answer_type in ("yesno", "unanswerable"):
                continue
            asked = frozenset(normalise(question.question).split())
            for wordings in facts_of(question):
                lent = (wordings[0], question.id, asked)
                self._lent.setdefault(kind_of(wordings[0]), []).append(lent)

    def like(self, fact: str, question: Question, most: int = 8) -> list[str]:
        """Facts of the same kind that are not right here, those to the likest questions first.

        Neither the right answers nor the question may hold them.
        """
        asked = set(normalise(question.question).split())
        kind, words = kind_of(fact), len(fact.split())
        said = [*right_of(question), question.question]

        def rank(lent: tuple[str, str, frozenset[str]]) -> tuple[bool, float, str]:
            text, name, other = lent
            shared = len(asked & other) / max(1, len(asked | other))
            unlike = (asked & _ASKING) != (other & _ASKING)
            key = hashlib.sha256(f"{question.id}|{name}|{text}".encode()).hexdigest()
            return unlike, -round(shared, 1), key

        near = [
            lent
            for lent in self._lent.get(kind, [])
            if lent[1] != question.id and abs(len(lent[0].split()) - words) <= max(1, words // 2)
        ]
        found: list[str] = []
        for text, _, _ in sorted(near, key=rank):
            apart = not any(contains(one, text) or contains(text, one) for one in said)
            if apart and text not in found:
                found.append(text)
            if len(found) == most:
                break
        return found

    def one_wrong(self, text: str, question: Question, random: Random) -> str | None:
        """`text`, a right answer, with one fact made wrong; None where no way is found.

        A fact of another question, another number, or the contrary; what comes out is never one
        of the right answers.
        """
        found = [*self._replaced(text, question, random)]
        if question.answer_type == "yesno":
            found = [turned] if (turned := _yes_no(text)) else []
        found += list(numbers.wrong(text, right_of(question), question.question, random).values())
        contrary = _contrary(text, random)
        if contrary and (not found or random.random() < 0.25):
            found = [contrary]
        right = {normalise(one) for one in right_of(question)}
        random.shuffle(found)
        for changed in found:
            # "-3" and "3" are the same to `normalise`; numbers compare what comes out themselves.
            if normalise(changed) not in right:
                return changed
        return None

    def _replaced(self, text: str, question: Question, random: Random) -> list[str]:
        made = []
        for wordings in facts_of(question):
            for wording in sorted(wordings, key=len, reverse=True):
                place = re.search(rf"(?<!\w){re.escape(wording)}(?!\w)", text, re.IGNORECASE)
                if place and (others := self.like(wording, question)):
                    other = random.choice(others[:3])
                    made.append(text[: place.start()] + other + text[place.end() :])
                    break
        return made


def facts_of(question: Question) -> list[tuple[str, ...]]:
    """The facts of the answer, each with its wordings: key points, items of a list, or the short
    answer."""
    if question.answer_type in ("yesno", "unanswerable"):
        return []
    if question.key_points:
        return [point for point in question.key_points if point and point[0]]
    if not question.answers:
        return []
    items = items_of(question.answers[0])
    if len(items) > 1:
        return [(item,) for item in items]
    short = tuple(answer for answer in question.answers if 0 < len(answer.split()) <= LONGEST)
    return [short] if short else []


def items_of(answer: str) -> list[str]:
    """The items of a listed answer ("Tom, Dick and Harry"); another one is its own only item."""
    items = [item.strip(" .") for item in re.split(r",\s+(?:and\s+)?|\s+and\s+", answer)]
    numbered = any(item[:1].isdigit() for item in items)
    fits = len(items) > 1 and not numbered and all(0 < len(item.split()) <= 4 for item in items)
    return items if fits else [answer]


def right_of(question: Question) -> tuple[str, ...]:
    """All that is right: the reference, the answers, and the wordings of the key points."""
    points = (wording for point in question.key_points for wording in point)
    return tuple(dict.fromkeys((question.reference, *question.answers, *points)))


def kind_of(text: str) -> str:
    """year, number, name or words."""
    if numbers.is_year(text.strip()):
        return "year"
    if any(sign.isdigit() for sign in text):
        return "number"
    return "name" if is_name(text) else "words"


def is_name(text: str) -> bool:
    """Whether every word of weight has a capital, and none a digit; at most five words."""
    words = re.findall(r"[^\W_][\w'’.-]*", text)
    weighty = [word for word in words if word.lower() not in _SMALL]
    return (
        bool(weighty)
        and len(words) <= 5
        and all(word[0].isupper() for word in weighty)
        and not any(sign.isdigit() for sign in text)
        and words[0].lower() not in ("yes", "no")
    )


def _yes_no(text: str) -> str | None:
    match = re.match(r"(?i)(yes|no)\b", text)
    if not match:
        return None
    return ("No" if match.group().lower() == "yes" else "Yes") + text[match.end() :]


def _contrary(text: str, random: Random) -> str | None:
    """A word turned round, or "never" put in."""
    if found := list(_TURNABLE.finditer(text)):
        match = random.choice(found)
        return text[: match.start()] + _TURNED[match.group()] + text[match.end() :]
    if match := _DOING.search(text):
        return f"{text[: match.end()]} never{text[match.end() :]}"
    if match := _VERB.search(text):
        verb = match.group()
        return text[: match.start()] + _NEVER.get(verb, f"{verb} hardly") + text[match.end() :]
    return None
