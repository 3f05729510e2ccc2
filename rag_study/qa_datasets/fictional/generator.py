"""Draws the worlds of the data set `fictional` and writes their documents and questions."""

from __future__ import annotations

from itertools import permutations
from random import Random

from rag_study.qa_datasets.fictional.company import COMPANY
from rag_study.qa_datasets.fictional.expedition import EXPEDITION
from rag_study.qa_datasets.fictional.institute import INSTITUTE
from rag_study.qa_datasets.fictional.kind import Kind, Page, Relation
from rag_study.qa_datasets.fictional.town import TOWN
from rag_study.qa_datasets.fictional.words import (
    FIRST_NAMES,
    PRONOUNS,
    STEM_ENDS,
    STEM_MIDDLES,
    STEM_STARTS,
    UNIT_SHORT,
    WORDS,
)
from rag_study.qa_datasets.schema import Document, QADataset, Question

# Part of the run hashes: raise it when the generated text changes.
VERSION = 1

# Pairs of twins go through the kinds in this order.
KINDS = (INSTITUTE, TOWN, EXPEDITION, COMPANY)

QUESTIONS_PER_WORLD = 6
# Per world: 0.6 yes/no, 0.9 summary, 1.2 list questions on average; the others are factoid.
YESNO_SHARE, SUMMARY_SHARE, SECOND_LIST_SHARE = 0.6, 0.9, 0.2
FILLER_SHARE = 0.5

Values = dict[str, str]


def generate(num_worlds: int = 300, seed: int = 0) -> QADataset:
    """Generate the data set: 3 documents and 6 questions per world.

    The first n worlds are the same for every `num_worlds` >= n of one seed, and nothing depends
    on the platform or on PYTHONHASHSEED. The group of a question is its world. Questions and
    documents are ordered by world; ids look like "fic-0001-3" and "fic-0001-d2".

    Raises ValueError if `num_worlds` is negative.
    """
    if num_worlds < 0:
        raise ValueError(f"num_worlds must be 0 or more, not {num_worlds}")
    questions: list[Question] = []
    documents: list[Document] = []
    taken: set[str] = set()
    for pair in range((num_worlds + 1) // 2):
        rng = Random(f"fictional/{seed}/{pair}")
        kind = KINDS[pair % len(KINDS)]
        draw = _Draw(rng, taken)
        twins = [draw.world(kind), draw.world(kind)]
        # Decided per pair so that exactly half of the yes/no answers are "Yes".
        asks_yesno, yes_first = rng.random() < YESNO_SHARE, rng.random() < 0.5
        for which, values in enumerate(twins):
            number = 2 * pair + which + 1
            if number > num_worlds:
                break
            pages = _documents(kind, values, number, rng)
            documents += pages
            relations = _choose_relations(kind, asks_yesno, rng)
            is_yes = yes_first == (which == 0)
            for position, relation in enumerate(relations, start=1):
                build = _yesno if relation.answer_type == "yesno" else _open_question
                questions.append(
                    Question(
                        id=f"fic-{number:04d}-{position}",
                        answer_type=relation.answer_type,
                        gold_doc_ids=tuple(pages[page].doc_id for page in relation.pages),
                        group=f"world-{number:04d}",
                        scope=f"world-{number:04d}",
                        **build(relation, values, rng, is_yes),
                    )
                )
    return QADataset(tuple(questions), tuple(documents))


class _Draw:
    """Draws the values of two twin worlds, one method per draw named in `Kind`.

    Within a pair no value is drawn twice, so twins differ in every fact and no distractor equals
    an answer. Invented names are new among all worlds so far (`taken`, lower case).
    """

    def __init__(self, rng: Random, taken: set[str]):
        self.rng = rng
        self.taken = taken
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
                    values[f"{slot}_number"] = value.split()[0]
        return values

    def twin(self, slot: str, draw: str, patterns: tuple[str, ...] = ()) -> Values:
        """Make both twins' values on the first call for a slot, hand out the second's then."""
        if slot in self.twin_names:
            return self.twin_names.pop(slot)
        if draw == "twin_person":
            *first_names, gender = self.rng.choice(FIRST_NAMES)
            surname = self.stem("surname")
            names = [f"{first} {surname}" for first in first_names]
            forms = {f"{slot}_{key}": form for key, form in PRONOUNS[gender].items()}
            forms[f"{slot}_short"] = surname
        else:
            stem = self.stem("place" if draw == "twin_place" else "word")
            pattern = self.rng.choice(patterns) if patterns else "{}"
            if pattern.startswith("{}") and pattern[2:3].isalpha():
                stem = stem.rstrip("aeiou")
            names = [pattern.format(stem), pattern.format(self.one_letter_apart(stem))]
            forms = {}
        self.twin_names[slot] = {slot: names[1]} | forms
        return {slot: names[0]} | forms

    def stem(self, ending: str) -> str:
        """An invented word that no world has yet; longer once the short ones run out."""
        for attempt in range(10_000):
            middles = self.rng.choices(STEM_MIDDLES, k=1 + attempt // 20)
            stem = self.rng.choice(STEM_STARTS) + "".join(middles)
            stem += self.rng.choice(STEM_ENDS[ending])
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

    def word(self) -> str:
        return self.stem("word")

    def place(self) -> str:
        return self.stem("place")

    def person(self) -> str:
        *first_names, _ = self.rng.choice(FIRST_NAMES)
        return f"{self.rng.choice(first_names)} {self.stem('surname')}"

    def year(self, low: int, high: int) -> str:
        return self.unused(low, high, "{}")

    def number(self, low: int, high: int, unit: str) -> str:
        return self.unused(low, high, f"{{}} {unit}".rstrip())

    def unused(self, low: int, high: int, pattern: str) -> str:
        free = [
            value for n in range(low, high + 1) if (value := pattern.format(n)) not in self.used
        ]
        value = self.rng.choice(free)
        self.used.add(value)
        return value

    def pick(self, name: str) -> str:
        if name not in self.pools:
            self.pools[name] = list(WORDS[name])
            self.rng.shuffle(self.pools[name])
        return self.pools[name].pop()


def _documents(kind: Kind, values: Values, number: int, rng: Random) -> list[Document]:
    return [
        Document(
            doc_id=f"fic-{number:04d}-d{position}",
            title=page.title.format(**values),
            scope=f"world-{number:04d}",
            text=_text(page, values, rng),
        )
        for position, page in enumerate(kind.pages, start=1)
    ]


def _text(page: Page, values: Values, rng: Random) -> str:
    body = [rng.choice(wordings) for wordings in page.body]
    if rng.random() < FILLER_SHARE:
        body.append(rng.choice(page.fillers))
    rng.shuffle(body)
    return " ".join(sentence.format(**values) for sentence in [rng.choice(page.lead), *body])


def _choose_relations(kind: Kind, asks_yesno: bool, rng: Random) -> list[Relation]:
    counts = {
        "yesno": int(asks_yesno),
        "summary": int(rng.random() < SUMMARY_SHARE),
        "list": 1 + (rng.random() < SECOND_LIST_SHARE),
    }
    counts["factoid"] = QUESTIONS_PER_WORLD - sum(counts.values())
    chosen: list[Relation] = []
    for answer_type, count in counts.items():
        candidates = [r for r in kind.relations if r.answer_type == answer_type]
        chosen += rng.sample(candidates, count)
    return sorted(chosen, key=kind.relations.index)


def _open_question(relation: Relation, values: Values, rng: Random, _is_yes: bool) -> dict:
    points = tuple(values[slot] for slot in relation.points)
    reference = relation.reference.format(**values) or _enumerate(points)
    alternatives = [answer.format(**values) for answer in relation.also]
    if relation.answer_type == "factoid":
        alternatives += _other_forms(points[0])
    elif relation.answer_type == "list":
        alternatives += [_enumerate(order) for order in permutations(points)]
        alternatives.append(", ".join(points))
    else:
        alternatives.append(", ".join(points))
    return {
        "question": rng.choice(relation.questions).format(**values),
        "answers": tuple(dict.fromkeys([reference, *alternatives])),
        "key_points": tuple((point,) for point in points),
        "rewording": rng.choice(relation.rewordings).format(**values),
    }


def _yesno(relation: Relation, values: Values, rng: Random, is_yes: bool) -> dict:
    right, wrong = values[relation.points[0]], values[relation.wrong]
    asked = right if is_yes else wrong
    answer = "Yes" if is_yes else "No"
    rewording = relation.rewordings[0 if is_yes else 1]
    return {
        "question": rng.choice(relation.questions).format(**values, value=asked),
        "answers": (answer,),
        "key_points": ((answer,),),
        "rewording": rewording.format(**values, right=right, wrong=wrong),
    }


def _enumerate(items: tuple[str, ...]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0]


def _other_forms(value: str) -> list[str]:
    """A year with "in", a quantity with the short form of its unit."""
    if value.isdigit():
        return [f"in {value}"]
    number, _, unit = value.partition(" ")
    return [f"{number} {UNIT_SHORT[unit]}"] if number.isdigit() and unit in UNIT_SHORT else []
