"""Draws the values of the worlds of the data set `fictional`."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.sources.fictional.worlds import Kind, words

Values = dict[str, str]


class Draw:
    """Draws the values of two twin worlds, one method per draw of `DRAWS`.

    Within a pair no value is drawn twice, so twins differ in every fact and no distractor equals
    an answer. Invented names are new among all worlds so far (`taken`, lower case).
    """

    def __init__(self, rng: Random, taken: set[str]):
        self.rng = rng
        self.taken = taken
        self.words = words()
        self.used: set[str] = set()
        self.pools: dict[str, list[str]] = {}
        self.twin_names: dict[str, Values] = {}

    def world(self, kind: Kind) -> Values:
        values: Values = {}
        for slot, (draw, *arguments) in kind.slots.items():
            if draw == "year" and isinstance(arguments[0], str):
                base = int(values[arguments[0]])
                arguments = [base + years for years in arguments[1:]]
            if draw.startswith("twin"):
                values |= self.twin(slot, draw, *arguments)
            else:
                value = getattr(self, draw)(*arguments)
                values[slot] = value
                if draw == "number":
                    values[f"{slot}_number"] = value.rstrip("%").split()[0]
        return values

    def twin(self, slot: str, draw: str, *arguments: Any) -> Values:
        """Make both twins' values on the first call for a slot, hand out the second's then."""
        if slot in self.twin_names:
            return self.twin_names.pop(slot)
        forms = {}
        if draw == "twin_person":
            *first_names, gender = self.rng.choice(self.words.first_names)
            surname = self.stem("surname")
            names = [f"{first} {surname}" for first in first_names]
            forms = {f"{slot}_{key}": form for key, form in self.words.pronouns[gender].items()}
            forms[f"{slot}_short"] = surname
        elif draw == "twin_gene":
            names = self.genes()
        elif draw == "twin_pick":
            names = [self.rng.choice(self.words.lists[arguments[0]])] * 2
        else:
            names = self.names("place" if draw == "twin_place" else "word", *arguments)
        self.twin_names[slot] = {slot: names[1]} | forms
        return {slot: names[0]} | forms

    def names(self, ending: str, patterns: tuple[str, ...] = ()) -> list[str]:
        while True:
            stem = self.stem(ending)
            pattern = self.rng.choice(patterns) if patterns else "{}"
            if not _is_glued(pattern):
                return [pattern.format(stem), pattern.format(self.one_letter_apart(stem))]
            stem = stem.rstrip("aeiou")
            names = [pattern.format(stem), pattern.format(self.one_letter_apart(stem))]
            # Stems that differ in a last vowel would give the same name.
            if all(self.claim(name) for name in names):
                return names

    def genes(self) -> list[str]:
        for attempt in range(10_000):
            middles = self.rng.choices(self.words.stem_middles, k=1 + attempt // 20)
            stem = self.rng.choice(self.words.stem_starts) + "".join(middles)
            digits = self.rng.sample(range(2, 10), 2)
            names = [f"{stem.upper()}{digit}" for digit in digits]
            if all(self.claim(name) for name in names):
                return names
        raise RuntimeError("no unused symbol of a gene was found in 10,000 attempts")

    def stem(self, ending: str) -> str:
        """An invented word that no world has yet; longer once the short ones run out."""
        for attempt in range(10_000):
            middles = self.rng.choices(self.words.stem_middles, k=1 + attempt // 20)
            stem = self.rng.choice(self.words.stem_starts) + "".join(middles)
            stem += self.rng.choice(self.words.stem_ends[ending])
            if self.claim(stem):
                return stem
        raise RuntimeError("no unused invented name was found in 10,000 attempts")

    def one_letter_apart(self, stem: str) -> str:
        """The stem with one vowel changed, never its first letter."""
        places = [i for i, letter in enumerate(stem) if i and letter in "aeiou"]
        candidates = [
            stem[:i] + vowel + stem[i + 1 :]
            for i in places
            for vowel in "aeiou"
            if vowel != stem[i]
        ]
        self.rng.shuffle(candidates)
        for candidate in candidates:
            if self.claim(candidate):
                return candidate
        return self.one_letter_apart(stem + "a")

    def claim(self, name: str) -> bool:
        if name.lower() in self.taken:
            return False
        self.taken.add(name.lower())
        return True

    def word(self, patterns: tuple[str, ...] = ()) -> str:
        if not patterns:
            return self.stem("word")
        while True:
            name = self.rng.choice(patterns).format(self.stem("word").rstrip("aeiou"))
            if self.claim(name):
                return name

    def place(self) -> str:
        return self.stem("place")

    def person(self) -> str:
        *first_names, _ = self.rng.choice(self.words.first_names)
        return f"{self.rng.choice(first_names)} {self.stem('surname')}"

    def year(self, low: int, high: int) -> str:
        return self.unused([str(n) for n in range(low, high + 1)])

    def number(self, low: int, high: int, unit: str) -> str:
        between = "" if unit in ("", "%") else " "
        return self.unused([f"{n}{between}{unit}" for n in range(low, high + 1)])

    def decimal(self, low: int, high: int) -> str:
        return self.unused([f"{n // 10}.{n % 10}" for n in range(low, high + 1)])

    def unused(self, values: Sequence[str]) -> str:
        free = [value for value in values if value not in self.used]
        if not free:
            raise StudyError(
                f"fictional: no two worlds can differ in a value from {values[0]} to {values[-1]}; "
                "set the bounds of its slot further apart"
            )
        value = self.rng.choice(free)
        self.used.add(value)
        return value

    def pick(self, name: str) -> str:
        if name not in self.pools:
            self.pools[name] = list(self.words.lists[name])
            self.rng.shuffle(self.pools[name])
        if not self.pools[name]:
            raise StudyError(
                f"fictional: the list `{name}` of words.yaml has too few entries for two worlds; "
                "it needs twice as many as there are slots that pick from it"
            )
        return self.pools[name].pop()


def _is_glued(pattern: str) -> bool:
    """Whether a pattern of names adds letters to the invented word."""
    return pattern.startswith("{}") and pattern[2:3].isalpha()
