"""What a question must pass, as far as rules can say: whether it can be asked of somebody who has
never seen its passage, and whether its answer stands there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import regex

from rag_study.common import files
from rag_study.common.text import contains, words
from rag_study.data.schema import Question
from rag_study.evaluation import reference
from rag_study.evaluation.refusals import is_refusal
from rag_study.evaluation.yes_no import agrees
from rag_study.questions.kinds import Draft, Task, is_short

# Why a question is not kept, in the order in which it is looked at.
REFUSED = "the server refused a request"
NO_REPLY = "the reply holds no question with an answer"
NO_QUESTION = "it is no question, or one of more than 45 words"
ABOUT_THE_PASSAGE = "it is about the passage itself (“this text”)"
NOT_BY_ITSELF = "it does not say whom or what it is about (“he”, “the film”)"
GIVEN_AWAY = "the question gives its answer away"
NO_FORM = "the answer is not of the form that was asked for"
NOT_IN_PASSAGE = "the answer does not stand in the passage"
DUPLICATE = "a near-duplicate of another question"
NOT_ANSWERED = "read again with its passage, another answer comes"
NOT_ENTAILED = "the passage does not say all of the answer"
ONE_IS_ENOUGH = "one of the two passages is enough"
KNOWN = "answered without the passage"
REASONS = (
    *(REFUSED, NO_REPLY, NO_QUESTION, ABOUT_THE_PASSAGE, NOT_BY_ITSELF, GIVEN_AWAY, NO_FORM),
    *(NOT_IN_PASSAGE, DUPLICATE, NOT_ANSWERED, NOT_ENTAILED, ONE_IS_ENOUGH, KNOWN),
)

_MOST_WORDS, _LEAST_WORDS = 45, 3
_MARKS = "?？؟⸮՞"
# What a model asks whoever talks to it.
_CHAT = regex.compile(r"\byour (?:question|query|request)\b|\b(?:assist|help) you\b", regex.I)
_LATIN = regex.compile(r"\p{Latin}")
# What somebody must have been named for. "They" and "it" are mostly named inside the question, but
# for very short ones ("When did it open?").
_PERSON = regex.compile(r"\b(?:he|she|him|his|her|hers|himself|herself)\b", regex.IGNORECASE)
_THING = regex.compile(r"\b(?:it|its|they|them|their)\b", regex.IGNORECASE)
_SHORT_WORDS = 5
# "Who directed the film?" is about one that was named before.
_WORK = regex.compile(
    r"\bthe (?:series|film|movie|song|book|novel|game|show|episode|album|play|poem|band)"
    r"(?:['’]s(?: \w+){1,3})?\W*\Z",
    regex.IGNORECASE,
)
_NAME = regex.compile(r"(?<=\w[^.?!]*\s[\"“(]*)\p{Lu}")
_NOUN_BEFORE = regex.compile(
    r"\b(?:a|an|the|each|every|any|whose) \p{L}+.*\b(?:he|she|him|his|her)\b", regex.IGNORECASE
)
_FILE = Path(__file__).with_name("about_the_passage.yaml")
_QUOTED = regex.compile(r"[\d\"“”‘]")
_NUMBER = regex.compile(r"\d+(?:[.,]\d+)*")


def fault(task: Task, draft: Draft) -> str:
    """The first reason not to keep what a model wrote, "" where rules find none."""
    question = draft.question
    if not is_question(question):
        return NO_QUESTION
    if is_about_the_passage(question):
        return ABOUT_THE_PASSAGE
    if not stands_by_itself(question):
        return NOT_BY_ITSELF
    if task.kind == "unanswerable":
        return ""
    if not _has_form(task, draft):
        return NO_FORM
    if _gives_away(task, draft):
        return GIVEN_AWAY
    shown = "\n".join(place.passage.shown for place in task.places)
    return "" if _stands_in(shown, task, draft) else NOT_IN_PASSAGE


def is_question(text: str) -> bool:
    """Whether a text is one question of a usual length. Where Latin letters are written, a question
    has its mark."""
    if "\n" in text.strip() or not _LEAST_WORDS <= words(text) <= _MOST_WORDS:
        return False
    if _CHAT.search(text):
        return False
    asked = text.rstrip(" \"'”’»)*_")
    if asked.endswith(tuple(_MARKS)):
        return True
    return not _LATIN.search(text) and not asked.endswith((".", "。", "।", "！", "!"))


def is_about_the_passage(question: str) -> bool:
    """Whether a question speaks of the text that its writer has before them, in one of the
    languages of `about_the_passage.yaml`."""
    return any(pattern.search(question) for pattern in _patterns())


def stands_by_itself(question: str) -> bool:
    """Whether an English question names whom or what it means by "he", "it" or "the film"."""
    if _WORK.search(question) and not _NAME.search(question) and not _QUOTED.search(question):
        return False
    thing = words(question) <= _SHORT_WORDS and _THING.search(question)
    if not (thing or _PERSON.search(question)):
        return True
    return _NAME.search(question) is not None or _NOUN_BEFORE.search(question) is not None


def is_right(answer: str, question: Question) -> bool:
    """The study's notion of a right answer: a right one, or all items of a list, stand in it;
    without short answers, at least half of the key points do; a question that its documents do
    not answer is refused."""
    if question.answer_type == "unanswerable" and is_refusal(answer):
        return True
    recall = reference.answer_recall(answer, question)
    if recall is not None:
        return recall == 1.0
    points = reference.key_point_recall(answer, question.key_points)
    return points is not None and points >= 0.5


def _has_form(task: Task, draft: Draft) -> bool:
    if task.kind == "yes_no":
        return agrees(draft.answer, task.wanted) is True and words(draft.answer) <= 8
    if task.kind == "list":
        return 2 <= len(draft.items) <= 10 and is_short(draft)
    if task.kind == "summary":
        return words(draft.answer) >= 8 and 2 <= len(draft.items) <= 8 and is_short(draft)
    return is_short(draft)


def _gives_away(task: Task, draft: Draft) -> bool:
    if task.kind == "yes_no":
        return False
    if task.kind in ("list", "summary"):
        return all(contains(draft.question, item) for item in draft.items)
    return bool(contains(draft.question, draft.answer))


def _stands_in(passage: str, task: Task, draft: Draft) -> bool:
    """Whether each short answer stands in the passage, as whole words; of a longer one its key
    points and numbers do, and a second reading says whether the rest follows."""
    if task.kind == "yes_no":
        return True
    if task.kind == "summary":
        numbers = _NUMBER.findall(draft.answer)
        return all(contains(passage, text) for text in (*draft.items, *numbers))
    return all(contains(passage, text) for text in draft.items or (draft.answer,))


@lru_cache(maxsize=1)
def _patterns() -> tuple[regex.Pattern, ...]:
    return tuple(
        regex.compile(pattern.replace("{noun}", entry["nouns"]), regex.IGNORECASE)
        for entry in files.read_yaml(_FILE).values()
        for pattern in entry["patterns"]
    )
