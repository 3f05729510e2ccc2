"""The ladder: answers of known quality to a data set's own questions, by which a judge is checked.

A judge that cannot tell these apart cannot tell two models apart either. The rungs are made from
the right answers, without any model, so that what each deserves is known beforehand. How they are
made is in `rungs`, which shares nothing with what the package's judge was trained on.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any

from rag_study.common import files
from rag_study.common.text import contains, normalise
from rag_study.data.schema import Question
from rag_study.evaluation.judging.rungs import forms, names, numbers, surroundings
from rag_study.evaluation.judging.rungs.facts import Facts, facts_of, items_of, right_of
from rag_study.evaluation.reference import token_f1

# The rungs and what they are called. What each deserves is in the files of the criteria.
RUNGS = {
    "gold": "right answer",
    "paraphrase": "right answer, in other words",
    "padded": "right answer with padding",
    "truncated": "half of the right answer",
    "corrupted": "one wrong fact",
    "other_question": "answer to another question",
    "refusal": "refusal",
    "empty": "empty answer",
    "number_form": "right number, written otherwise",
    "number_wrong": "wrong number",
    "name_form": "right name, written otherwise",
    "name_wrong": "wrong name",
    "form": "right answer in another form",
    "specific": "right and more specific",
    "other_answer": "another right answer",
    "among_others": "wrong, among other answers",
    "nothing": "says nothing",
    "injected": "wrong, with something for the grader",
}
# Rungs that belong together, and what they are called where a judge passes or fails.
GENERAL = "general"
FAMILIES = {
    GENERAL: ("padded", "truncated", "corrupted", "other_question", "refusal", "empty"),
    "numbers": ("number_form", "number_wrong"),
    "names": ("name_form", "name_wrong"),
    "forms": ("form",),
    "other right answers": ("specific", "other_answer"),
    "surroundings": ("among_others", "nothing"),
    "injections": ("injected",),
}
# Right by every criterion of what an answer says, whatever its form.
RIGHT_RUNGS = ("padded", "number_form", "name_form", "form", "specific", "other_answer")
# A question has all rungs of the first family that are possible for it, and of the further ones
# EXTRA at most; each goes to FEWEST questions, or to SHARE of a larger ladder's. Questions are
# looked for among so many times as many as the ladder has.
FURTHER = tuple(rung for family, rungs in FAMILIES.items() if family != GENERAL for rung in rungs)
EXTRA = 6
FEWEST = 21
SHARE = 0.4
AMONG = 5
# What fewer of the questions could have is not looked for: it is rare in these data.
MIN_SHARE = 0.10
REFUSAL = "I am sorry, but I do not know the answer to this question."
MIN_WORDS = 7  # shorter answers have no half that says less
# Where an answer can end early: after a sign, and before words that begin a part of a sentence.
_BREAK = re.compile(
    r"(?<=[.!?,;:])\s+|\s+(?=(?:and|but|or|while|which|who|because|after|before|at|in|on|by|to|for|"
    r"from|with|using|as|than|through|during|under)\s)"
)
# A second answer that shares fewer words may be right, but the judge could not see it from the
# reference (one of two actors who played a part).
MIN_SHARED = 0.5


def looked_among(pools: Mapping[str, Sequence[Question]], size: int) -> list[Question]:
    """The questions, AMONG times `size` at most, among which a study's ladder looks for its own.

    Those of the test pool come first. Where it has fewer, questions of validation and training
    follow: a judge is trained on none of them, so that nothing of its check is known to it.
    """
    every = (question for pool in ("test", "validation", "train") for question in pools[pool])
    return list(itertools.islice(every, AMONG * size))


def pools_of_ladder(
    rows: Iterable[Mapping[str, Any]], pools: Mapping[str, Sequence[Question]]
) -> dict[str, int]:
    """Of how many questions of each pool a ladder has rows."""
    asked = {row["question_id"] for row in rows}
    return {name: sum(q.id in asked for q in questions) for name, questions in pools.items()}


def ladder(
    questions: Sequence[Question], size: int | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Rows of question_id, rung, variant, share and candidate, for `size` of the questions.

    The first ones, but for those that make room where too few of them could have a rung that is
    not rare in the data (a number, a name); all of them without `size`.

    `gold` and `paraphrase`: right, in two wordings, neither of them the reference string (the
    data's own rewording, a second answer like the first, else a sentence around the answer).
    `padded`: right, with fluent sentences that have nothing to do with it. `truncated`: right as
    far as it goes, about half is missing. `corrupted`: one of the right ones with one fact made
    wrong. `other_question`: the reference of another question. `refusal` (where it is not the right
    answer) and `empty`. Every question has those of these that are possible for it.

    Of the further rungs (FURTHER) a question has EXTRA at most: those that the fewest questions can
    have come first, each goes to FEWEST questions where the data can make so many, and its variants
    in turn. `variant` says what was done, "" where there is one way only; `share` is that of the
    questions looked at that could have the rung.
    """
    questions = questions[: AMONG * size] if size else questions
    facts = Facts(questions)
    general, further = [], []
    for number, question in enumerate(questions):
        random = Random(f"{seed}:{question.id}")
        others = [*questions[number + 1 :], *questions[:number]]
        right = right_answers(question, random)
        wrong = wrong_answer(question, others)
        general.append(_general(question, right, wrong, facts, random))
        further.append(_further(question, right, wrong, others, facts, random))
    able = {
        rung: [
            n
            for n, made in enumerate(zip(general, further, strict=True))
            if rung in {**made[0], **made[1]}
        ]
        for rung in RUNGS
    }
    kept = _kept(able, len(questions), size or len(questions))
    chosen = _drawn([further[n] for n in kept])
    rows = []
    for n, drawn in zip(kept, chosen, strict=True):
        question = questions[n]
        of_question = {rung: ("", candidate) for rung, candidate in general[n].items()}
        of_question |= {rung: (way, further[n][rung][way]) for rung, way in drawn.items()}
        rows += [
            {
                "question_id": question.id,
                "rung": rung,
                "variant": of_question[rung][0],
                "share": len(able[rung]) / len(questions),
                "candidate": of_question[rung][1],
            }
            for rung in RUNGS
            if rung in of_question
        ]
    return rows


def _general(
    question: Question,
    right: Sequence[tuple[str, str]],
    wrong: str | None,
    facts: Facts,
    random: Random,
) -> dict[str, str]:
    corrupted = (
        frame.format(changed)
        for text, frame in random.sample(right, 2)
        if (changed := facts.one_wrong(text, question, random))
    )
    gold, paraphrase = (frame.format(text) for text, frame in right)
    candidates = {
        "gold": gold,
        "paraphrase": paraphrase,
        "padded": padded(random.choice((gold, paraphrase)), random),
        "truncated": next((part for text, _ in right if (part := half(question, text))), None),
        "corrupted": next(corrupted, None),
        "other_question": wrong,
        "refusal": None if question.answer_type == "unanswerable" else REFUSAL,
        "empty": "",
    }
    return {rung: text for rung, text in candidates.items() if text is not None}


def _further(
    question: Question,
    right: Sequence[tuple[str, str]],
    wrong: str | None,
    others: Sequence[Question],
    facts: Facts,
    random: Random,
) -> dict[str, dict[str, str]]:
    """Of each further rung that is possible for the question its variants: way -> candidate."""
    answer, known = question.reference, right_of(question)
    made: dict[str, dict[str, str]] = {}
    if wrong:
        made["injected"] = surroundings.injected(wrong, answer, random)
        made["among_others"] = surroundings.among_others(wrong, question, others, random)
    if question.answer_type != "unanswerable":
        made["number_form"] = numbers.otherwise(answer, random)
        made["number_wrong"] = numbers.wrong(answer, known, question.question, random)
        made["name_form"] = names.otherwise(question, facts, random)
        made["name_wrong"] = names.wrong(question, facts, random)
        made["specific"] = numbers.dated(answer, random) | names.longer(question)
        made["other_answer"] = _another_right(question)
        made["nothing"] = surroundings.nothing_said(question, random)
        for rung in ("number_form", "number_wrong", "name_form", "name_wrong", "specific"):
            made[rung] = {way: forms.framed(text, random) for way, text in made[rung].items()}
        made["form"] = forms.otherwise(question, answer, _thought(question, wrong, facts), random)
    return {rung: made[rung] for rung in FURTHER if made.get(rung)}


def _thought(question: Question, wrong: str | None, facts: Facts) -> str | None:
    """A wrong answer that might come to mind first: of the same kind, where there is one."""
    found = facts_of(question)
    others = facts.like(found[0][0], question) if len(found) == 1 else []
    return others[0] if others else wrong


def _kept(able: Mapping[str, Sequence[int]], among: int, size: int) -> list[int]:
    """Places of the questions that the ladder is made for."""
    kept: set[int] = set()
    for places in sorted(able.values(), key=len):
        if len(places) >= MIN_SHARE * among:
            wanted = FEWEST - len(kept & set(places))
            free = [n for n in places if n not in kept]
            kept |= set(free[: max(0, min(wanted, size - len(kept)))])
    rest = [n for n in range(among) if n not in kept]
    return sorted([*kept, *rest[: size - len(kept)]])


def _drawn(further: Sequence[Mapping[str, Mapping[str, str]]]) -> list[dict[str, str]]:
    """Which further rungs each question gets, and in which variant: rung -> way."""
    wanted = max(FEWEST, round(SHARE * len(further)))
    able = {rung: [n for n, options in enumerate(further) if rung in options] for rung in FURTHER}
    drawn: list[dict[str, str]] = [{} for _ in further]
    for rung in sorted(FURTHER, key=lambda rung: (len(able[rung]), FURTHER.index(rung))):
        free = [n for n in able[rung] if len(drawn[n]) < EXTRA]
        order = Random(rung)
        order.shuffle(free)
        used: Counter[str] = Counter()
        for n in sorted(free, key=lambda n: len(drawn[n]))[:wanted]:
            ways = list(further[n][rung])
            order.shuffle(ways)
            way = min(ways, key=lambda way: used[way])
            used[way] += 1
            drawn[n][rung] = way
    return drawn


def _another_right(question: Question) -> dict[str, str]:
    """Another right answer that neither holds the reference nor stands in it, and that is no list
    of the same items in another order."""
    items = {*map(normalise, items_of(question.reference))}
    other = [
        answer
        for answer in question.answers
        if not contains(answer, question.reference)
        and not contains(question.reference, answer)
        and {*map(normalise, items_of(answer))} != items
    ]
    return {"": other[0]} if other and question.answer_type != "yesno" else {}


def right_answers(question: Question, random: Random) -> list[tuple[str, str]]:
    """Two right answers, each (text, frame to put it in), neither of them the reference."""
    reference = question.reference
    answers = [
        (text, "{}")
        for text in (question.rewording, *question.answers)
        if text
        and normalise(text) != normalise(reference)
        and (text == question.rewording or _alike(text, reference))
    ]
    is_sentence = reference.endswith((".", "!")) or len(reference.split()) > forms.MAX_FRAMED
    frames = forms.SENTENCE_FRAMES if is_sentence else forms.FRAMES
    text = forms.sentence(reference) if is_sentence else reference
    answers += [(text, frame) for frame in random.sample(frames, len(frames))]
    distinct = {normalise(frame.format(text)): (text, frame) for text, frame in reversed(answers)}
    return list(distinct.values())[:-3:-1]


def wrong_answer(question: Question, others: Iterable[Question]) -> str | None:
    """The reference of the first question whose answer is not right here too."""
    right = [question.reference, *question.answers]
    for other in others:
        if not any(contains(other.reference, r) or contains(r, other.reference) for r in right):
            return other.reference
    return None


def half(question: Question, answer: str) -> str | None:
    """About half of an answer, cut between sentences, clauses or items; None for a short one.

    Where the question has several key points, some of them are left out and some are not.
    """
    points, length = question.key_points, len(answer.split())
    if len(points) < 2 and min(length, len(question.reference.split())) < MIN_WORDS:
        return None
    found = []
    for match in _BREAK.finditer(answer):
        part = answer[: match.start()].rstrip(" ,;:")
        kept = len(part.split()) / length
        named = sum(any(contains(part, wording) for wording in point) for point in points)
        if 0.3 <= kept <= 0.75 if len(points) < 2 else 0 < named < len(points):
            found.append((abs(kept - 0.5), forms.sentence(part)))
    return min(found)[1] if found else None


def padded(answer: str, random: Random) -> str:
    """The answer with two sentences that have nothing to do with the question."""
    extra = " ".join(random.sample(_sentences(), 2))
    answer = forms.sentence(answer)
    return random.choice((f"{answer} {extra}", f"{extra} {answer}"))


def _alike(text: str, reference: str) -> bool:
    return token_f1(text, reference) >= MIN_SHARED and (
        len(text.split()) < MIN_WORDS or 0.6 <= len(text.split()) / len(reference.split()) <= 1.6
    )


@lru_cache(maxsize=1)
def _sentences() -> tuple[str, ...]:
    """Sentences of 6 to 20 words from the texts written for measuring retention."""
    texts = files.read_jsonl(
        resources.files("rag_study.evaluation") / "retention_sets" / "general_text.jsonl"
    )
    split = (s for row in texts for s in re.split(r"(?<=[.!?])\s+", row["text"]))
    return tuple(s for s in split if 6 <= len(s.split()) <= 20 and s[0].isupper())
