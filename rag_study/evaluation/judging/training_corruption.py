"""Answers with exactly one fact made wrong, for training a judge.

Four ways: another number, another name, another answer (both borrowed from other questions of the
data), or the opposite (a negation, a comparison turned round). The text around the fact stays as it
is, so that the answer reads as well as before and only its truth has changed.

The check of a judge (`ladder.py`) makes its wrong answers in ways of its own, and shares nothing
with this module: a judge would pass a check that was made like its training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from rag_study.answering.counterfactual import OtherAnswers, answer_shape
from rag_study.common.text import contains, normalise
from rag_study.data.schema import Question

# Numbers that stand alone: no part of a word (BERT-2, BIBREF12) or of a longer number.
_NUMBER = re.compile(r"(?<![\w.,/-])\d[\d,]*(?:\.\d+)?(?![\w/-]|[.,]\d)")
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS[1:])})\b", re.IGNORECASE)
_NAME = re.compile(r"\b[A-Z][\w'’-]*(?:\s+(?:(?:of|de|la|von|van)\s+)?[A-Z][\w'’-]*)*")
_OPPOSITES = [
    pair.split("/")
    for pair in (
        "increase/decrease increases/decreases increased/decreased higher/lower more/less "
        "before/after better/worse first/last largest/smallest highest/lowest positive/negative "
        "with/without always/never above/below earlier/later longer/shorter larger/smaller "
        "improves/worsens rise/fall early/late maximum/minimum common/rare often/rarely old/new "
        "north/south east/west male/female many/few internal/external upper/lower all/none "
        "rises/falls"
    ).split()
]
_OPPOSITE = {**{b: a for a, b in _OPPOSITES}, **dict(_OPPOSITES)}
_OPPOSITE_WORD = re.compile(rf"\b(?:{'|'.join(_OPPOSITE)})\b", re.IGNORECASE)
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|can|could|will|would|should|does|did|do|must)\b")
_NOT = re.compile(r"(?<=\w) not\b")
SHORT = 6  # words of an answer that has one fact
MIN_WORDS = 7  # shorter answers have no half that says less
_CLAUSE = re.compile(r"[,;:]\s|\s(?:and|as well as|while|with|for|from|by|in|on|to|using)\s")
_YES_NO = re.compile(r"\A(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Corruption:
    """The wrong text, and what was changed: number, name, opposite or answer."""

    text: str
    kind: str


class Corruptor:
    """Makes one fact of an answer wrong. `questions` lend the names and answers that are put in."""

    def __init__(self, questions: Sequence[Question]):
        lent = [
            _asked_for(question, fact[0], number)
            for question in questions
            if question.answer_type not in ("yesno", "unanswerable")
            for number, fact in enumerate(_facts(question))
        ]
        self._others = OtherAnswers(lent)
        names = {lender.answers[0] for lender in lent}
        self._names = sorted(name for name in names if answer_shape(name) == "name")

    def corrupt(self, text: str, question: Question, seed: int = 0) -> Corruption | None:
        """`text`, a right answer, with one fact changed; None where no way is found.

        Which way is drawn from `seed` and the question; in a short answer without a number it is
        the answer itself. A fact that the question states is left alone, and what comes out is
        never one of the right answers.
        """
        random = Random(f"{seed}:{question.id}:{text}")
        ways: list[tuple[str, Callable[..., Iterator[str]]]] = [
            ("number", _other_numbers),
            ("name", self._other_names),
            ("answer", self._other_answer),
            ("opposite", _opposites),
        ]
        if len(text.split()) <= SHORT:
            ways = [ways[0], ways[2], ways[1], ways[3]]
        else:
            random.shuffle(ways)
        right = {normalise(wording) for wording in (question.reference, *question.answers)}
        for kind, way in ways:
            for changed in way(text, question, random):
                if normalise(changed) not in right and normalise(changed) != normalise(text):
                    return Corruption(changed, kind)
        return None

    def _other_names(self, text: str, question: Question, random: Random) -> Iterator[str]:
        names = [
            match
            for match in _NAME.finditer(text)
            # The first word of a sentence has its capital from there.
            if (match.start() > 0 or " " in match.group() or match.group() == text)
            and not contains(question.question, match.group())
            and not re.search(r"[.!?]\s+\Z", text[: match.start()])
        ]
        random.shuffle(names)
        for match in names:
            words = match.group().split()
            near = [n for n in self._names if len(n.split()) == len(words)]
            for other in random.sample(near, min(20, len(near))):
                if not contains(f"{text} {question.question} {question.reference}", other):
                    yield text[: match.start()] + other + text[match.end() :]

    def _other_answer(self, text: str, question: Question, random: Random) -> Iterator[str]:
        """Another question's answer in place of one of the facts of this one."""
        facts = _facts(question)
        for fact in random.sample(facts, len(facts)):
            for wording in sorted(fact, key=len, reverse=True):
                start = text.lower().find(wording.lower())
                if start >= 0:
                    wanted = _asked_for(question, wording, facts.index(fact))
                    if other := self._others.find(wanted, [text, question.reference]):
                        yield text[:start] + other + text[start + len(wording) :]
                    break


def _facts(question: Question) -> list[tuple[str, ...]]:
    """What can be replaced, each with its wordings: the key points, else the items of a listed
    answer, else the short answer."""
    if question.key_points and question.answer_type != "yesno":
        return [point for point in question.key_points if any(point)]
    if not question.answers or question.answer_type == "yesno":
        return []
    items = re.split(r",\s+(?:and\s+)?|\s+and\s+", question.answers[0])
    if len(items) > 1 and all(0 < len(item.split()) <= SHORT for item in items):
        return [(item,) for item in items]
    short = tuple(answer for answer in question.answers if 0 < len(answer.split()) <= SHORT)
    return [short] if short else []


def _asked_for(question: Question, wording: str, number: int) -> Question:
    """The question as if it asked for this one fact."""
    return Question(f"{question.id}#{number}", question.question, (wording,))


def _other_numbers(text: str, question: Question, random: Random) -> Iterator[str]:
    numbers = [*_NUMBER.finditer(text), *_NUMBER_WORD.finditer(text)]
    random.shuffle(numbers)
    for match in numbers:
        if contains(question.question, match.group()):
            continue
        for _ in range(5):
            slip = slipped(match.group(), random) if random.random() < 0.4 else None
            other = slip or other_number(match.group(), random)
            if not contains(f"{text} {question.reference}", other):
                yield text[: match.start()] + other + text[match.end() :]


def other_number(number: str, random: Random) -> str:
    """Another number of the same form: a year stays near, another one changes one of its digits
    or its size. Number words become number words."""
    if number.lower() in _WORDS:
        other = random.choice([word for word in _WORDS[1:] if word != number.lower()])
        return other.capitalize() if number[0].isupper() else other
    if re.fullmatch(r"1\d{3}|20\d{2}", number):
        return str(int(number) + random.choice((-1, 1)) * random.randint(1, 12))
    digits = [i for i, letter in enumerate(number) if letter.isdigit()]
    place = random.choice(digits)
    # A leading zero would make another number look odd.
    choices = [d for d in "123456789" if d != number[place]]
    return number[:place] + random.choice(choices) + number[place + 1 :]


def slipped(number: str, random: Random) -> str | None:
    """A number in digits as it comes out of a slip: its sign lost or put there, its point one place
    off, a digit left out, two turned round. None for one that no slip changes."""
    plain = number.replace(",", "")
    whole, _, rest = plain.lstrip("-").partition(".")
    if not whole.isdigit() or re.fullmatch(r"1\d{3}|20\d{2}", number):
        return None
    turned = [i for i in range(1, len(whole) - 1) if whole[i] != whole[i + 1]]
    place = random.choice(turned) if turned else 0
    slips = {
        plain[1:] if plain.startswith("-") else f"-{number}",
        f"{whole}{rest[:1] or '0'}{f'.{rest[1:]}' if rest[1:] else ''}",
        f"{whole[:-1] or '0'}.{whole[-1]}{rest}",
        f"{whole[:-1]}{f'.{rest}' if rest else ''}" if len(whole) > 1 else "",
        f"{whole[:place]}{whole[place + 1]}{whole[place]}{whole[place + 2 :]}" if turned else "",
    }
    other = [
        slip
        for slip in sorted(slips)
        if slip and not re.match(r"0\d", slip) and float(slip.replace(",", "")) != float(plain)
    ]
    slip = random.choice(other) if other else None
    return f"{int(slip):,}" if slip and "," in number and slip.lstrip("-").isdigit() else slip


def _opposites(text: str, question: Question, random: Random) -> Iterator[str]:
    if match := _YES_NO.match(text):
        other = "No" if match.group().lower() == "yes" else "Yes"
        yield other + text[match.end() :]
        return
    words = list(_OPPOSITE_WORD.finditer(text))
    random.shuffle(words)
    for match in words:
        word = match.group()
        other = _OPPOSITE[word.lower()]
        yield text[: match.start()] + _cased(other, word) + text[match.end() :]
    if match := _NOT.search(text):
        yield text[: match.start()] + text[match.end() :]
    elif match := _AUXILIARY.search(text):
        yield f"{text[: match.end()]} not{text[match.end() :]}"


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word


def first_part(question: Question, answer: str) -> str | None:
    """About half of an answer, cut between sentences, clauses or list items; None for a short one.

    A cut that still holds all of the question's key points, or none of several, is not taken.
    """
    words = len(answer.split())
    cuts = [match.start() for match in re.finditer(r"(?<=[.!?])\s+(?=[A-Z])", answer)]
    cuts += [match.start() for match in _CLAUSE.finditer(answer)]
    points = question.key_points
    if len(points) < 2 and min(words, len(question.reference.split())) < MIN_WORDS:
        return None
    parts = []
    for cut in cuts:
        part = answer[:cut].rstrip(" ,;")
        kept = len(part.split()) / words
        named = sum(any(contains(part, wording) for wording in point) for point in points)
        enough = 0.3 <= kept <= 0.75 if len(points) < 2 else 0 < named < len(points)
        if enough:
            parts.append((abs(kept - 0.5), sentence(part)))
    return min(parts)[1] if parts else None


def sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
