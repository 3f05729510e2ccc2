"""Texts in which the answer to a question is replaced by another of its kind.

Exact where the data brings the other answer along (`extra["other_answer"]`, as the data set
`fictional` does); elsewhere it is borrowed from another question: the substitution of Longpre et
al. 2021 (Entity-Based Knowledge Conflicts in Question Answering, arXiv 2109.05052), with the
answer's shape in place of their entity types.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import regex

from rag_study.common.text import contains, words
from rag_study.common.typography import aligned, bounded, pattern, spans
from rag_study.data.schema import Question
from rag_study.data.splits import hash_order

_MONTHS = frozenset(
    "january february march april may june july august september october november december".split()
)
_NUMBER_WORDS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty "
    "ninety hundred thousand million billion once twice".split()
)
# Words that a name may have in lower case.
_SMALL_WORDS = frozenset(
    "a an and at by de del der di for in la le of on or the to van von".split()
)
_QUESTION_WORDS = ("who", "whom", "whose", "when", "where", "what", "which", "how")
_ARTICLE = re.compile(r"\A(?:the|an?)\s+", re.IGNORECASE)
_LEADING = re.compile(r"\A(?:(?:in|on|at|by|about|around|the|an?)\s+)+", re.IGNORECASE)
MAX_WORDS = 8  # longer answers are clauses: another one in their place makes no sentence


def impossible(question: Question) -> str:
    """Why no text can be made counterfactual for the question; "" for one with a short fact."""
    if question.answer_type != "factoid":
        return f"{question.answer_type} question"
    if len(question.key_points) > 1 or not question.answers:
        return "the answer is not one short fact"
    if words(question.answers[0]) > MAX_WORDS:
        return f"the answer is longer than {MAX_WORDS} words"
    if not words(question.answers[0]):
        return "the answer is a sign"
    return ""


def answer_pattern(question: Question) -> regex.Pattern:
    """Finds any wording of the answer in a text that is `aligned`, the longest first, as whole
    words and not as a part of a number. A wording with an article is found without it too, in its
    own case ("The Who"), and where a person is asked for, the last name alone."""
    forms = []
    for wording in sorted(_wordings(question), key=len, reverse=True):
        forms.append(pattern(wording))
        if (core := _ARTICLE.sub("", wording)) != wording:
            forms.append(pattern(core, ignore_case=False))
    forms += [pattern(name, ignore_case=False) for name in _last_names(question)]
    return bounded(forms)


def names_answer(text: str, question: Question) -> bool:
    """Whether `replace_answer` finds anything to replace."""
    return next(spans(answer_pattern(question), text), None) is not None


def replace_answer(text: str, question: Question, other: str) -> str:
    """The text with every wording of the answer replaced by `other`.

    Whole words, whatever their case and however they are set: quotes, dashes, ligatures and the
    like. A capital that a sentence or heading gives is kept, and an
    article that stands before the wording stays the only one. A last name alone becomes the last
    word of `other`. Further short forms that the data does not name as answers stay.
    """
    wordings, bare = {aligned(w)[0] for w in _wordings(question)}, _ARTICLE.sub("", other)
    last_names = {aligned(name)[0] for name in _last_names(question)} - wordings

    def put(matched: str) -> str:
        if matched in last_names:
            return other.split()[-1]
        new = other if _ARTICLE.match(matched) else bare
        if matched in wordings or not matched[0].isupper():
            return new
        return new.upper() if matched.isupper() else new[0].upper() + new[1:]

    parts, done = [], 0
    for start, end, matched in spans(answer_pattern(question), text):
        parts += [text[done:start], put(matched)]
        done = end
    return "".join([*parts, text[done:]])


def still_right(text: str, question: Question) -> bool:
    """Whether a wording of the answer stands in the text by the rules of scoring, which pass over
    punctuation and articles."""
    return any(contains(text, wording) for wording in _wordings(question))


@dataclass(frozen=True)
class _Candidate:
    question_id: str
    answer: str
    words: int
    asking: str
    unit: str


def _candidate(question: Question) -> _Candidate:
    answer = question.answers[0]
    is_number = answer_shape(answer) == "number"
    unit = re.sub(r"[\d.,]+", "", answer).strip() if is_number else ""
    return _Candidate(question.id, answer, words(answer), _asking(question), unit)


class OtherAnswers:
    """Finds a wrong answer of the same kind among the answers to other questions.

    `pool` is to be the same whenever the same contexts are wanted: the choice depends on it.
    """

    def __init__(self, pool: Sequence[Question]):
        self._by_shape: dict[str, list[_Candidate]] = defaultdict(list)
        for question in pool:
            if not impossible(question):
                self._by_shape[answer_shape(question.answers[0])].append(_candidate(question))

    def find(self, question: Question, texts: Sequence[str]) -> str | None:
        """The other answer that belongs to the question, else the first of those borrowed, that
        is not right and stands neither in `texts` nor in the question; None if there is none."""
        stated = question.extra.get("other_answer")
        candidates = [stated] if isinstance(stated, str) else self._borrowed(question)
        right = [*question.answers, question.reference, *chain(*question.key_points)]
        for other in candidates:
            if any(contains(other, wording) or contains(wording, other) for wording in right):
                continue
            if not any(contains(text, other) for text in (question.question, *texts)):
                return other
        return None

    def _borrowed(self, question: Question) -> list[str]:
        """Answers of the same shape and of half to twice the words: those to questions with the
        same question word first, of these the ones with the same unit, then by hash."""
        candidate = _candidate(question)

        def rank(other: _Candidate) -> tuple[bool, bool, str]:
            key = hash_order(f"counterfactual:{candidate.question_id}:{other.question_id}")
            return other.asking != candidate.asking, other.unit != candidate.unit, key

        similar = [
            other
            for other in self._by_shape[answer_shape(candidate.answer)]
            if candidate.words <= 2 * other.words and other.words <= 2 * candidate.words
        ]
        return [other.answer for other in sorted(similar, key=rank)]


def answer_shape(answer: str) -> str:
    """year, date, number (also with a unit), name (every word of weight has a capital), other."""
    parts = re.findall(r"[^\W_]+", answer)
    if re.fullmatch(r"1\d{3}|20\d{2}", answer):
        return "year"
    if not parts:
        return "other"
    lower, digits = [word.lower() for word in parts], re.search(r"\d", answer)
    month = any(word in _MONTHS for word in lower) and (digits or len(parts) == 1)
    if month or re.fullmatch(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", answer):
        return "date"
    if lower[0] in _NUMBER_WORDS or (digits and not parts[0][0].isupper()):
        return "number"
    weighty = [word for word in parts if word.lower() not in _SMALL_WORDS]
    return "name" if weighty and not any(word[0].islower() for word in weighty) else "other"


def _wordings(question: Question) -> list[str]:
    """The wordings of the answer that are looked for.

    Where the data brings the other answer along, that stands for the first wording: longer ones
    around it ("the University of Ulm" beside "Ulm") are left out, so that their words stay in the
    text. Elsewhere only those go that put a small word before another one ("in 1847").
    """
    every = list(dict.fromkeys([*question.answers, *chain(*question.key_points)]))
    every = [wording for wording in every if words(wording)]  # signs alone would match anywhere
    if "other_answer" in question.extra:
        first = bounded([pattern(every[0])])
        return [every[0], *(w for w in every[1:] if next(spans(first, w), None) is None)]
    cores = {wording: _LEADING.sub("", wording) for wording in every}
    return [
        wording for wording, core in cores.items() if core in (wording, "") or core not in cores
    ]


def _last_names(question: Question) -> list[str]:
    """The last words of the answers that are names, to a question that asks who."""
    if _asking(question) not in ("who", "whom", "whose"):
        return []
    names = [a.split()[-1] for a in question.answers if answer_shape(a) == "name" and " " in a]
    return [name for name in dict.fromkeys(names) if len(name) > 2 and name[0].isupper()]


def _asking(question: Question) -> str:
    asked = re.findall(r"\w+", question.question.lower())
    return next((word for word in asked if word in _QUESTION_WORDS), "")
