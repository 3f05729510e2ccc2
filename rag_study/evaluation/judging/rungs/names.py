"""A name in a right answer: written in another way, or another name."""

from __future__ import annotations

import re
from random import Random

from rag_study.common.text import contains, normalise
from rag_study.data.schema import Question
from rag_study.evaluation.judging.rungs.facts import Facts, facts_of, is_name, right_of

_PERSON_ASKED = re.compile(
    r"\b(?:who|whom|whose)\b|\b(?:which|what) (?:\w+ )?(?:person|man|woman|author|writer|actor|"
    r"actress|singer|artist|painter|composer|architect|scientist|engineer|teacher|president|king|"
    r"queen|player|director|pupil|sculptor|explorer|mayor|founder)\b",
    re.IGNORECASE,
)
# In names of bands, teams, peoples and bodies; their last word alone is not what they are called.
_NO_PERSON = re.compile(
    r"(?i)\b(?:the|and|of|party|army|states|kingdom|company|university|team|band|club|city|united|"
    r"council|church|court|house|records|group|orchestra|association|federation|empire|government)"
    r"\b"
)


def otherwise(question: Question, facts: Facts, random: Random) -> dict[str, str]:
    """The name that is asked for in other ways, all right, by what was done to it."""
    name = name_of(question)
    if not name:
        return {}
    others = facts.like(name, question)
    made = {}
    if is_person(question, name):
        words = name.split()
        first, last = words[0], words[-1]
        made["initials"] = " ".join([f"{word[0]}." for word in words[:-1]] + [last])
        made["last name"] = last
        made["last name first"] = f"{last}, {' '.join(words[:-1])}"
        made["middle name"] = f"{first} {random.choice('BEGHJLMRT')}. {' '.join(words[1:])}"
        if others:
            made["another one beside"] = f"{name}, an acquaintance of {others[0]}"
    elif others:
        made["another one beside"] = f"{name} (as distinct from {others[0]})"
    return made


def wrong(question: Question, facts: Facts, random: Random) -> dict[str, str]:
    """Other names in place of the one that is asked for, by what was done."""
    name = name_of(question)
    others = facts.like(name, question) if name else []
    if not others:
        return {}
    made = {"another one": random.choice(others[:3])}
    if is_person(question, name):
        people = [other for other in others if len(other.split()) > 1]
        if people:
            made["other first name"] = f"{people[0].split()[0]} {name.split()[-1]}"
            made["other last name"] = f"{' '.join(name.split()[:-1])} {people[-1].split()[-1]}"
        made["right one beside"] = f"{others[0]}, an acquaintance of {name}"
    else:
        made["right one beside"] = f"{others[0]} (as distinct from {name})"
    right = right_of(question)
    return {
        way: text
        for way, text in made.items()
        if way == "right one beside" or not any(contains(text, one) for one in right)
    }


def longer(question: Question) -> dict[str, str]:
    """Another right answer that holds the reference and says more ("Ada Moss" for "Moss")."""
    found = [
        answer
        for answer in question.answers
        if contains(answer, question.reference)
        and len(normalise(answer).split()) > len(normalise(question.reference).split())
    ]
    return {"longer answer": max(found, key=len)} if found else {}


def name_of(question: Question) -> str:
    """The name that is the whole short answer, "" where that is something else."""
    found = facts_of(question)
    return found[0][0] if len(found) == 1 and is_name(found[0][0]) else ""


def is_person(question: Question, name: str) -> bool:
    """Whether a name of two to four words is that of a person, as far as the question tells; not
    one that may be a plural (a team, a band)."""
    return (
        2 <= len(name.split()) <= 4
        and _PERSON_ASKED.search(question.question) is not None
        and not _NO_PERSON.search(name)
        and (not name.endswith("s") or name.endswith("ss"))
        and all(word[0].isupper() for word in name.split())
    )
