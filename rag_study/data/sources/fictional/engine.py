"""Writes the documents and questions of the data set `fictional`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Any, TypeVar

from rag_study.common.errors import StudyError
from rag_study.data.schema import NO_ANSWER, Document, QADataset, Question
from rag_study.data.sources.fictional.draw import Draw, Values
from rag_study.data.sources.fictional.worlds import STYLES, Kind, Page, Relation, Style, words

# Part of the run hashes: raise it when the generated text changes, here or in a YAML file.
VERSION = 1

QUESTIONS_PER_WORLD = 6
FILLER_SHARE = 0.5

Item = TypeVar("Item")


def generate(num_worlds: int = 300, seed: int = 0, style: str = "encyclopedia") -> QADataset:
    """Generate the data set: 3 or more documents and 6 questions per world.

    The first n worlds are the same for every `num_worlds` >= n of one seed and style, and nothing
    depends on the platform or on PYTHONHASHSEED. The group of a question is its world. Questions
    and documents are ordered by world; ids look like "fic-0001-3" and "fic-0001-d2".

    A factoid question has in `extra["other_answer"]` the same fact of the twin world, which does
    not occur in the gold documents: put in place of the answer there, it makes them
    counterfactual. Raises ValueError if `num_worlds` is negative, and StudyError if the files of
    the worlds or the word lists are not right.
    """
    if num_worlds < 0:
        raise ValueError(f"num_worlds must be 0 or more, not {num_worlds}")
    chosen = STYLES[style]
    questions: list[Question] = []
    documents: list[Document] = []
    taken: set[str] = set()
    for pair in range((num_worlds + 1) // 2):
        rng = Random(f"{chosen.seed}/{seed}/{pair}")
        kind = chosen.kinds[pair % len(chosen.kinds)]
        draw = Draw(rng, taken)
        twins = [draw.world(kind), draw.world(kind)]
        # Decided per pair so that exactly half of the yes/no answers are "Yes".
        num_yesno, yes_first = _rounded(chosen.per_world["yesno"], rng), rng.random() < 0.5
        for which, values in enumerate(twins):
            number = 2 * pair + which + 1
            if number > num_worlds:
                break
            missing = _choose_missing(kind, chosen, rng)
            pages = _documents(kind, chosen, values, number, missing, rng)
            documents += pages.values()
            relations = _choose_relations(kind, chosen, missing, num_yesno, rng)
            is_yes = yes_first == (which == 0)
            for position, relation in enumerate(relations, start=1):
                built = _question(relation, chosen, values, twins[1 - which], rng, is_yes)
                is_yes ^= relation.answer_type == "yesno"
                questions.append(
                    Question(
                        id=f"{chosen.prefix}-{number:04d}-{position}",
                        answer_type=relation.answer_type,
                        gold_doc_ids=tuple(pages[page].doc_id for page in relation.pages),
                        group=f"{chosen.world}-{number:04d}",
                        scope=f"{chosen.world}-{number:04d}",
                        **built,
                    )
                )
    return QADataset(tuple(questions), tuple(documents))


def _rounded(mean: float, rng: Random) -> int:
    """A whole number of questions that is `mean` on average."""
    return int(mean) + (rng.random() < mean % 1)


def _choose_missing(kind: Kind, style: Style, rng: Random) -> list[Relation]:
    """What is asked although the documents will not say it."""
    if "unanswerable" not in style.per_world:
        return []
    candidates = [relation for relation in kind.relations if relation.statement is not None]
    count = _rounded(style.per_world["unanswerable"], rng)
    return _sample(candidates, count, f"{kind.name}.yaml, relations with a `statement`", rng)


def _sample(candidates: Sequence[Item], count: int, what: str, rng: Random) -> list[Item]:
    if len(candidates) < count:
        raise StudyError(f"fictional: {what}: there are {len(candidates)}, {count} are needed")
    return rng.sample(candidates, count)


def _documents(
    kind: Kind, style: Style, values: Values, number: int, missing: list[Relation], rng: Random
) -> dict[str, Document]:
    """The documents of a world by the names of their pages."""
    left_out = {(relation.pages[0], relation.statement) for relation in missing}
    return {
        name: Document(
            doc_id=f"{style.prefix}-{number:04d}-d{position}",
            title=page.title.format(**values),
            scope=f"{style.world}-{number:04d}",
            text=_text(page, values, {group for at, group in left_out if at == name}, rng),
        )
        for position, (name, page) in enumerate(kind.pages.items(), start=1)
    }


def _text(page: Page, values: Values, left_out: set[str | None], rng: Random) -> str:
    body = [rng.choice(wordings) for name, wordings in page.body.items() if name not in left_out]
    if rng.random() < FILLER_SHARE:
        body.append(rng.choice(page.fillers))
    if not page.ordered:
        rng.shuffle(body)
    return " ".join(sentence.format(**values) for sentence in [rng.choice(page.lead), *body])


def _choose_relations(
    kind: Kind, style: Style, missing: list[Relation], num_yesno: int, rng: Random
) -> list[Relation]:
    counts = Counter(yesno=num_yesno)
    for answer_type in ("summary", "list"):
        counts[answer_type] = _rounded(style.per_world[answer_type], rng)
    counts["factoid"] = QUESTIONS_PER_WORLD - counts.total() - len(missing)
    chosen = list(missing)
    for answer_type, count in counts.items():
        candidates = [
            r for r in kind.relations if r.answer_type == answer_type and r not in missing
        ]
        chosen += _sample(
            candidates, count, f"{kind.name}.yaml, relations of the type {answer_type}", rng
        )
    return [
        r.model_copy(update={"answer_type": "unanswerable", "pages": ()}) if r in missing else r
        for r in sorted(chosen, key=kind.relations.index)
    ]


def _question(
    relation: Relation, style: Style, values: Values, twin: Values, rng: Random, is_yes: bool
) -> dict[str, Any]:
    in_sentences = relation.answer_type in style.in_sentences
    if relation.answer_type == "yesno":
        built = _yesno(relation, values, rng, is_yes, in_sentences)
    elif relation.answer_type == "unanswerable":
        built = {"question": rng.choice(relation.questions).format(**values), "answers": NO_ANSWER}
    else:
        built = _open_question(relation, values, rng, in_sentences)
    built["extra"] = {}
    if relation.answer_type in style.answer_kinds:
        built["extra"]["answer_kind"] = style.answer_kinds[relation.answer_type]
    if relation.answer_type == "factoid":
        built["extra"]["other_answer"] = twin[relation.points[0]]
    return built


def _open_question(
    relation: Relation, values: Values, rng: Random, in_sentences: bool
) -> dict[str, Any]:
    points = tuple(values[slot] for slot in relation.points)
    short = relation.reference.format(**values) or _enumerate(points)
    alternatives = [answer.format(**values) for answer in relation.also]
    if relation.answer_type == "factoid":
        alternatives += _other_forms(points[0])
    elif relation.answer_type == "list":
        alternatives += [_enumerate(order) for order in permutations(points)]
        alternatives.append(", ".join(points))
    else:
        alternatives.append(", ".join(points))
    answers = tuple(dict.fromkeys([short, *alternatives]))
    question = rng.choice(relation.questions).format(**values)
    sentences = rng.sample(relation.rewordings, 2) if in_sentences else []
    rewording, reference = sentences or (rng.choice(relation.rewordings), short)
    return {
        "question": question,
        # A summary in sentences has no short answer.
        "answers": () if in_sentences and relation.answer_type == "summary" else answers,
        "reference": reference.format(**values),
        "key_points": tuple((point, *_percentages(point)) for point in points),
        "rewording": rewording.format(**values),
    }


def _yesno(
    relation: Relation, values: Values, rng: Random, is_yes: bool, in_sentences: bool
) -> dict[str, Any]:
    right, wrong = values[relation.points[0]], values[relation.wrong]
    answer, asked = ("Yes", right) if is_yes else ("No", wrong)
    question = rng.choice(relation.questions).format(**values, value=asked)
    sentences = relation.rewordings[0 if is_yes else 1 :: 2]
    rewording, reference = sentences[0], answer
    if in_sentences:
        what = f'rewordings for "{answer}" of "{relation.questions[0]}"'
        rewording, reference = _sample(sentences, 2, what, rng)
    return {
        "question": question,
        "answers": (answer,),
        "reference": reference.format(**values, right=right, wrong=wrong),
        "key_points": ((answer,),),
        "rewording": rewording.format(**values, right=right, wrong=wrong),
    }


def _enumerate(items: tuple[str, ...]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else items[0]


def _other_forms(value: str) -> list[str]:
    """A year with "in", a quantity with the other form of its unit."""
    if value.isdigit():
        return [f"in {value}"]
    number, _, unit = value.partition(" ")
    if number.isdigit() and unit in words().other_units:
        return [f"{number} {words().other_units[unit]}"]
    return _percentages(value)


def _percentages(value: str) -> list[str]:
    number = value.removesuffix("%")
    return [f"{number} percent", f"{number} per cent"] if number != value else []
