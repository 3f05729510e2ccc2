"""Where the right and wrong answers that a judge is trained on come from (`training_material`).

Three sources, none of them the data of a study: texts written for this purpose in many fields
(`judge_texts.jsonl`), worlds of the data set `fictional` in two of its styles, from other seeds
than any study's, and short facts put together from lists (`judge_facts.yaml`), whose answers come
in all the forms in which people write a name, a date or a number, and in those that only look
alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any

from rag_study.common import files
from rag_study.common.text import contains
from rag_study.data.schema import Question
from rag_study.data.sources import fictional
from rag_study.evaluation.judging.training_corruption import other_number, sentence, slipped

STYLES = ("biomedical", "papers")
NAMES = ("person", "place", "code", "phrase")
_PARTS = ("first_names", "last_names", "months", "units", "adjectives", "nouns", "verbs", "places")


@dataclass(frozen=True)
class Source:
    """A question with its right answers, and worse ones.

    `right` are interchangeable wordings, the usual one first; `more` are right, too, and say more
    than was asked for. `several`: a complete answer has more than one fact. `vague` says nothing
    that was asked for, and neither does `around`, sentences on the same subject. `said` is a
    sentence with "{}" in the answer's place, and `beside` sentences that name another one of its
    kind, "{other}", for something else.
    """

    question: Question
    right: tuple[str, ...]
    several: bool
    wrong: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    vague: str = ""
    around: tuple[str, ...] = ()
    said: str = ""
    beside: tuple[str, ...] = ()


def sources(seed: int, num_worlds: int, num_texts: int | None, num_facts: int) -> list[Source]:
    """The first `num_texts` of the texts (None: all), `num_worlds` worlds of each of STYLES and
    `num_facts` facts; another seed gives other worlds and facts."""
    made = [_of_text(number, row) for number, row in enumerate(texts()[:num_texts])]
    for style in STYLES:
        # Other worlds than those of a study, whose generator starts from its own seed.
        world = fictional.generate(num_worlds, style=style, seed=1_000 + seed)
        documents = {document.doc_id: document.text for document in world.documents}
        made += [
            _of_question(question, documents)
            for question in world.questions
            if question.answer_type != "unanswerable"
        ]
    return made + _facts(num_facts, Random(f"facts:{seed}"))


def surplus() -> list[str]:
    """Sentences in many fields, most of which say nothing about any one question."""
    return [part for row in texts() for part in _sentences(row["padded"])]


@lru_cache(maxsize=1)
def texts() -> list[dict[str, Any]]:
    return files.read_jsonl(_data("judge_texts.jsonl"))


def _of_text(number: int, row: dict[str, Any]) -> Source:
    right = (row["reference"], *row["rewordings"])
    return Source(
        Question(f"text-{number}", row["question"], right),
        right,
        bool(row["incomplete"]),
        tuple(row["wrong_fact"]),
        incomplete=tuple(row["incomplete"]),
        vague=row["vague"],
        around=(row["vague"],),
    )


def _of_question(question: Question, documents: dict[str, str]) -> Source:
    right = dict.fromkeys(text for text in (question.reference, question.rewording) if text)
    told = [w for point in question.key_points for w in point] + [*question.answers, *right]
    around = tuple(
        part
        for doc_id in question.gold_doc_ids
        for part in _sentences(documents[doc_id])
        if not any(contains(part, text) for text in told)
    )
    # The passages of a yes-or-no question tell the answer in words of their own.
    around = () if question.answer_type == "yesno" else around
    return Source(question, tuple(right), len(question.key_points) > 1, around=around)


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(sentence(part) for part in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text) if part)


def _data(name: str) -> Any:
    return resources.files("rag_study.evaluation.judging") / name


# --- Short facts --------------------------------------------------------------------------------


def _facts(number: int, random: Random) -> list[Source]:
    words = files.read_yaml(_data("judge_facts.yaml"))
    kinds = list(words["questions"])
    made = []
    for index in range(number):
        kind = kinds[index % len(kinds)]
        about = _filled(random.choice(("person", "place", "phrase", "code")), words, random)
        asked, said = random.choice(list(words["questions"][kind].items()))
        answer = _filled(kind, words, random)
        # Also those that differ from it by as little as possible.
        near = [_near(kind, answer, words, random) for _ in range(4)]
        question = asked.replace("{about}", about)
        same = tuple(dict.fromkeys((answer, *_other_forms(kind, answer, random))))
        more = tuple(_more_specific(kind, answer, words, random))
        around = [_told(line, about, words, random) for line in random.sample(words["around"], 9)]
        made.append(
            Source(
                Question(f"fact-{index}", question, (*same, *more)),
                same,
                kind == "list",
                tuple(dict.fromkeys(value for value in near if value not in (*same, *more))),
                more,
                # Some of the items.
                (answer.partition(" and ")[0],) if kind == "list" else (),
                around=tuple(text for text in around if not contains(text, answer)),
                said=_capital(said.replace("{about}", about).replace("{answer}", "{}")),
                beside=tuple(words["beside"]) if kind in NAMES else (),
            )
        )
    return made


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _told(line: str, about: str, words: dict[str, Any], random: Random) -> str:
    """A sentence around an answer, its slots filled."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name == "about":
            return about
        return (
            random.choice(words[f"{name}s"])
            if f"{name}s" in words
            else _filled(name, words, random)
        )

    return _capital(re.sub(r"\{(\w+)\}", fill, line))


def _filled(kind: str, words: dict[str, Any], random: Random) -> str:
    """An answer of the kind."""

    def some(name: str) -> str:
        return random.choice(words[name])

    phrase = f"{some('adjectives')} {some('nouns')}"
    match kind:
        case "person":
            middle = random.choice(("", "", f" {random.choice('ABCDEGHJKLMNPRST')}."))
            return f"{some('first_names')}{middle} {some('last_names')}"
        case "place":
            return random.choice((some("places"), f"{some('places')}, {some('places')}"))
        case "year":
            return str(random.randint(1502, 2024))
        case "date":
            day, month, year = random.randint(1, 28), some("months"), random.randint(1780, 2024)
            return random.choice(
                (f"{month} {day}, {year}", f"{day} {month} {year}", f"{month} {year}")
            )
        case "number":
            size = random.choice((30, 1_000, 90_000, 3_000_000))
            return f"{random.randint(2, size):,}"
        case "measure":
            number = random.choice((random.randint(2, 900), round(random.uniform(0.1, 99), 1)))
            return f"{number} {some('units')}".replace(" %", "%")
        case "amount":
            number = random.choice((random.randint(2, 960), round(random.uniform(0.2, 80), 1)))
            scale = random.choice((" million", " million", " billion", ",000", ""))
            number = number if scale.startswith(" ") else f"{random.randint(3, 9_800):,}"
            return f"{random.choice('$€£')}{number}{scale}"
        case "change":
            return f"{random.choice(('', '-'))}{random.uniform(0.1, 60):.1f}%"
        case "code":
            stem = some("nouns")[:4]
            stem = random.choice(
                (stem.upper(), stem.capitalize() + random.choice(("Net", "QA", "BERT")))
            )
            return stem + random.choice(
                ("", f"-{random.randint(2, 40)}", f" v{random.randint(2, 9)}")
            )
        case "list":
            of = random.choice(("person", "place", "phrase", "code"))
            items = [
                _filled(of, words, random).replace(",", "") for _ in range(random.choice((2, 3)))
            ]
            return f"{', '.join(items[:-1])} and {items[-1]}"
        case "method":
            other = f"{some('adjectives')} {some('nouns')}"
            return random.choice(
                (
                    f"by {some('verbs')} the {phrase} with a {other}",
                    f"{some('verbs')} each {some('nouns')} before {some('verbs')} the {phrase}",
                    f"it relies on {some('verbs')} the {phrase} instead of the {other}, and "
                    f"leaves out the {some('nouns')}",
                    f"a {phrase} is used for {some('verbs')}, then {some('verbs')} the {other}",
                )
            )
    return random.choice((phrase, f"the {phrase}", f"{some('nouns')} and {some('nouns')}", phrase))


def _near(kind: str, answer: str, words: dict[str, Any], random: Random) -> str:
    """Another answer of the kind; often with one part changed only."""
    if random.random() < 0.3:
        return _filled(kind, words, random)
    if kind == "year":
        return str(int(answer) + random.choice((-1, 1)) * random.choice((1, 2, 3, 10, 40)))
    if kind in ("number", "measure", "amount", "change") and random.random() < 0.6:
        digits = re.search(r"-?\d[\d,.]*\d|\d", answer)
        if digits and (slip := slipped(digits[0], random)):
            return answer.replace(digits[0], slip, 1)
        if " million" in answer:
            return answer.replace(" million", random.choice((" billion", ",000", "")))
    parts = answer.split(" ")
    places = list(range(len(parts)))
    random.shuffle(places)
    for place in places:
        part = parts[place]
        bare = part.strip(",.")
        if any(letter.isdigit() for letter in bare):
            digits = "".join(letter for letter in bare if letter.isdigit() or letter in ",.")
            other = bare.replace(digits, other_number(digits, random))
        else:
            names = [name for name in _PARTS if bare in words[name]]
            if not names:
                continue
            other = random.choice([word for word in words[names[0]] if word != bare])
        return " ".join([*parts[:place], part.replace(bare, other), *parts[place + 1 :]])
    return _filled(kind, words, random)


def _other_forms(kind: str, answer: str, random: Random) -> Iterator[str]:
    """The same fact as people also write it; each may be a reference, too."""
    if kind == "person":
        first, *_, last = answer.split()
        yield from (f"{first} {last}", last, f"{first[0]}. {last}", f"{last}, {first}")
    elif kind == "date" and (day := re.search(r"\b\d{1,2}\b", answer)):
        month, year = re.search(r"[A-Z]\w+", answer)[0], answer[-4:]  # type: ignore[index]
        yield from (
            f"{day[0]} {month} {year}",
            f"{month} {day[0]}, {year}",
            f"the {day[0]}{_ordinal(int(day[0]))} of {month} {year}",
        )
    elif kind == "number":
        yield answer.replace(",", "")
        yield from (f"{answer} in all",)
    elif kind == "measure":
        yield answer.replace("%", " percent") if "%" in answer else answer.replace("percent", "%")
    elif kind == "amount":
        number = float(re.sub(r"[^\d.]", "", answer))
        number *= {"million": 1e6, "billion": 1e9}.get(answer.split()[-1], 1)
        name = {"$": "dollars", "€": "euros", "£": "pounds"}[answer[0]]
        yield from (f"{answer[0]}{number:,.0f}", f"{answer[1:]} {name}", f"{number:.0f} {name}")
    elif kind == "change":
        yield answer.replace("-", "minus ").replace("%", " percent")
    elif kind in ("place", "phrase"):
        yield answer.removeprefix("the ") if answer.startswith("the ") else answer.partition(",")[0]
    elif kind == "list" and " and " in answer:
        items = re.split(r", | and ", answer)
        random.shuffle(items)
        yield f"{', '.join(items[:-1])} and {items[-1]}"
        yield "\n".join(f"- {item}" for item in items)


def _more_specific(kind: str, answer: str, words: dict[str, Any], random: Random) -> Iterator[str]:
    """What holds the fact and says more."""
    day, month = random.randint(1, 28), random.choice(words["months"])
    if kind == "person":
        first, *_, last = answer.split()
        yield f"{first} {random.choice(words['first_names'])} {last}"
        yield f"{random.choice(('Dr', 'Professor', 'Captain'))} {answer}"
        yield f"{answer} of {random.choice(words['places'])}"
    elif kind == "year":
        yield from (f"{month} {answer}", f"{day} {month} {answer}", f"{month} {day}, {answer}")
    elif kind == "date" and not re.search(r"\b\d{1,2}\b", answer):
        yield f"{day} {answer}"
    elif kind == "place":
        yield f"{answer}, in the {random.choice(words['adjectives'])} part of the country"
    elif kind in ("phrase", "code"):
        yield f"{answer}, the {random.choice(words['adjectives'])} one"
    elif kind in ("measure", "amount", "change", "number"):
        yield f"{answer}, as of {random.randint(1990, 2024)}"


def _ordinal(day: int) -> str:
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10 if day not in (11, 12, 13) else 0, "th")
