"""The worlds of the data set `fictional`: what they consist of, read from YAML, and their styles.

One file of the folder `worlds` is one kind of world; `words.yaml` has the lists that all of them
draw from. A file is read and checked when its style is asked for, and not before.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from ruamel.yaml.error import YAMLError

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.messages import explain, nearest

FOLDER = Path(__file__).parent

# The draws and how each is written in `slots` of a world (results are strings):
_Bare = tuple[()]
_Patterns = tuple[tuple[str, ...]]
_Range = tuple[int, int]
DRAWS: dict[str, tuple[str, Any]] = {
    # A name one letter apart in the two worlds of a pair; patterns have {} for the invented word.
    "twin": ('[twin, ["{} Bridge", "{} Viaduct"]]', _Patterns),
    # The same for a place.
    "twin_place": ("twin_place", _Bare),
    # The same for a person; also {slot}_short (the surname), _she, _her, _She, _Her and _them.
    "twin_person": ("twin_person", _Bare),
    # The same for the symbol of a gene, one digit apart.
    "twin_gene": ("twin_gene", _Bare),
    # An entry of a list of `words.yaml` that both worlds share, never asked for.
    "twin_pick": ("[twin_pick, tasks]", tuple[str]),
    # An invented word of its own in each world, as it is or in one of the patterns.
    "word": ('word or [word, ["{}ase"]]', _Bare | _Patterns),
    "place": ("place", _Bare),
    "person": ("person", _Bare),
    # A year from .. to, or so many years after that of another slot.
    "year": ("[year, 1805, 1890] or [year, charter, 40, 150]", _Range | tuple[str, int, int]),
    # A quantity from .. to with its unit ("" for none); also {slot}_number, without the unit.
    "number": ("[number, 7, 30, metres]", tuple[int, int, str]),
    # A number with one decimal place; the bounds are in tenths.
    "decimal": ("[decimal, 712, 894]", _Range),
    # An entry of a list of `words.yaml`.
    "pick": ("[pick, months]", tuple[str]),
}


@cache
def _arguments(draw: str) -> TypeAdapter:
    return TypeAdapter(DRAWS[draw][1], config=ConfigDict(strict=True))


def _slot(value: Any) -> tuple:
    """The draw of a slot as a tuple: its name, then its arguments."""
    draw, *arguments = value if isinstance(value, list) and value else [value]
    if not isinstance(draw, str) or draw not in DRAWS:
        raise ValueError(f"there is no draw '{draw}'{nearest(draw, list(DRAWS))}")
    arguments = tuple(tuple(a) if isinstance(a, list) else a for a in arguments)
    try:
        _arguments(draw).validate_python(arguments)
    except ValidationError:
        raise ValueError(f"this is not how `{draw}` is written: {DRAWS[draw][0]}") from None
    bounds = [a for a in arguments if isinstance(a, int)]
    if bounds != sorted(bounds):
        raise ValueError(f"the lower bound {bounds[0]} is above the upper one, {bounds[1]}")
    return (draw, *arguments)


def _lines(text: Any) -> tuple[str, ...]:
    if not isinstance(text, str):
        raise ValueError("texts are needed, each on a line of its own below a `|`")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _at_least(number: int) -> AfterValidator:
    def check(lines: tuple[str, ...]) -> tuple[str, ...]:
        # One line is also what becomes of many below a key without the `|`.
        if len(lines) < number:
            raise ValueError(
                f"at least {number} wordings are needed, each on a line of its own below a `|`; "
                f"this is {len(lines)}"
            )
        return lines

    return AfterValidator(check)


Slot = Annotated[tuple, BeforeValidator(_slot)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]
TwoWordings = Annotated[Lines, _at_least(2)]
ThreeWordings = Annotated[Lines, _at_least(3)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(_Part):
    """One document: `lead` and each statement of `body` are wordings of the same thing.

    The statements are shuffled unless the page is `ordered` (an abstract goes from aim to
    conclusion); a sentence of `fillers` then comes last. Their names are not seen in the text.
    """

    title: str
    ordered: bool = False
    lead: ThreeWordings
    body: dict[str, ThreeWordings]
    fillers: Lines

    @property
    def templates(self) -> Iterator[str]:
        yield self.title
        for wordings in (self.lead, *self.body.values(), self.fillers):
            yield from wordings


class Relation(_Part):
    """One thing to ask about a world.

    `pages` are the names of the gold pages, `points` the slots that are the key points,
    `reference` the reference answer where it is not just the points, `also` further right
    answers. In a style that answers in sentences the reference is one of the `rewordings`, which
    then are at least two full sentences, and another of them is the rewording.

    A yes/no relation has one point, the true value, and in `wrong` the slot of the false one; its
    questions have {value} for the one that is asked about. Its rewordings, for yes and for no in
    turn, have {right} and {wrong}.

    `statement` is the statement in the body of the page that holds the answer. Such a relation
    can be asked as unanswerable: the page then leaves the statement out. Nothing else may be
    asked about it.
    """

    answer_type: Literal["factoid", "list", "summary", "yesno"]
    pages: tuple[str, ...] = Field(min_length=1)
    points: tuple[str, ...] = Field(min_length=1)
    wrong: str = ""
    statement: str | None = None
    reference: str = ""
    also: Lines = ()
    questions: ThreeWordings
    rewordings: TwoWordings

    @model_validator(mode="after")
    def _fits_its_type(self) -> Relation:
        is_yesno = self.answer_type == "yesno"
        if is_yesno != bool(self.wrong):
            raise ValueError("`wrong` is needed for the type yesno, and for no other")
        if (is_yesno or self.answer_type == "factoid") and len(self.points) != 1:
            raise ValueError(f"a {self.answer_type} has one of `points`, this has {self.points}")
        if is_yesno and len(self.rewordings) % 2:
            raise ValueError("the rewordings of a yesno are for yes and for no in turn")
        if self.statement is not None and len(self.pages) != 1:
            raise ValueError("`statement` is of one page, so `pages` has to be that one")
        return self


class Kind(_Part):
    """A kind of world: its values (`slots`, in the order in which they are drawn; the draws are
    listed in `DRAWS`), the pages that state them, and the relations that are asked about."""

    name: str
    slots: dict[str, Slot]
    pages: dict[str, Page]
    relations: tuple[Relation, ...]

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Kind:
        self._check_draws()
        values = self._values()
        for name, page in self.pages.items():
            _check_templates(f"pages.{name}", page.templates, values)
        for relation in self.relations:
            self._check_relation(relation, values)
        return self

    def _check_draws(self) -> None:
        years: list[str] = []
        for slot, (draw, *arguments) in self.slots.items():
            if draw in ("pick", "twin_pick"):
                _check_names(f"slots.{slot} (the list to pick from)", arguments, words().lists)
            if draw == "year":
                after = [name for name in arguments if isinstance(name, str)]
                _check_names(f"slots.{slot} (a year after that of an earlier slot)", after, years)
                years.append(slot)

    def _check_relation(self, relation: Relation, values: set[str]) -> None:
        where = f'the relation "{relation.questions[0]}"'
        _check_names(f"{where}, pages", relation.pages, self.pages)
        _check_names(f"{where}, points", relation.points, self.slots)
        in_questions, in_answers = values, values
        if relation.wrong:
            _check_names(f"{where}, wrong", [relation.wrong], self.slots)
            in_questions, in_answers = values | {"value"}, values | {"right", "wrong"}
        if relation.statement is not None:
            body = self.pages[relation.pages[0]].body
            _check_names(f"{where}, statement", [relation.statement], body)
        _check_templates(where, relation.questions, in_questions)
        answers = (relation.reference, *relation.also, *relation.rewordings)
        _check_templates(where, answers, in_answers)

    def _values(self) -> set[str]:
        """Names of all values of a world."""
        values = set(self.slots)
        for slot, (draw, *_) in self.slots.items():
            if draw == "number":
                values.add(f"{slot}_number")
            elif draw == "twin_person":
                values |= {f"{slot}_{form}" for form in ("short", *words().pronouns["she"])}
        return values


def _check_names(where: str, names: Iterable[str], choices: Iterable[str]) -> None:
    choices = list(choices)
    for name in names:
        if name not in choices:
            raise ValueError(f"{where}: there is no '{name}'{nearest(name, choices)}")


def _check_templates(where: str, templates: Iterable[str], values: set[str]) -> None:
    for template in templates:
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(template)]
        except ValueError as error:
            raise ValueError(f'{where}, in "{template}": {error}') from None
        names = [name for name in fields if name is not None]
        _check_names(f'{where}, in "{template}"', names, sorted(values))


class Words(_Part):
    """What names are invented from, other ways to write units, and the lists to pick from."""

    stem_starts: tuple[str, ...]
    stem_middles: tuple[str, ...]
    stem_ends: dict[Literal["word", "place", "surname"], tuple[str, ...]]
    first_names: tuple[tuple[str, str, Literal["she", "he"]], ...]
    pronouns: dict[Literal["she", "he"], dict[str, str]]
    other_units: dict[str, str]
    lists: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Style:
    """One style of worlds.

    Pairs of twins go through `worlds` (names of kinds) in turn. `per_world` is how many questions
    of a type a world has on average; the rest are factoid. `in_sentences` are the types whose
    reference is a full sentence. `seed` begins the seeds of all draws, `prefix` all ids, and
    `world` names the groups. `answer_kinds` is what `extra["answer_kind"]` says of a type (empty:
    it is left out).
    """

    worlds: tuple[str, ...]
    per_world: Mapping[str, float]
    seed: str
    prefix: str
    world: str
    in_sentences: frozenset[str] = frozenset()
    answer_kinds: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of worlds, read on first use. Raises StudyError for a file that is wrong."""
        return tuple(read_kind(FOLDER / "worlds" / f"{name}.yaml") for name in self.worlds)


STYLES = {
    "encyclopedia": Style(
        worlds=("institute", "town", "expedition", "company"),
        per_world={"yesno": 0.6, "summary": 0.9, "list": 1.2},
        seed="fictional",
        prefix="fic",
        world="world",
    ),
    # The shares of the types are about those of BioASQ.
    "biomedical": Style(
        worlds=("trial", "gene"),
        per_world={"yesno": 1.5, "summary": 1.4, "list": 1.2},
        seed="fictional/biomedical",
        prefix="bio",
        world="study",
        in_sentences=frozenset({"factoid", "list", "summary", "yesno"}),
    ),
    # About those of Qasper; free-form answers are of the type summary.
    "papers": Style(
        worlds=("method", "resource"),
        per_world={"yesno": 0.8, "summary": 1.4, "list": 1.2, "unanswerable": 0.75},
        seed="fictional/papers",
        prefix="pap",
        world="paper",
        in_sentences=frozenset({"summary"}),
        answer_kinds={
            "factoid": "extractive",
            "list": "extractive",
            "summary": "free_form",
            "yesno": "yes_no",
            "unanswerable": "unanswerable",
        },
    ),
}


def read_kind(path: Path) -> Kind:
    """Read and check a kind of world. Raises StudyError with one message for all its problems."""
    return _read(path, Kind, "the world", name=path.stem)


@cache
def words() -> Words:
    """The word lists, which all worlds share."""
    return _read(FOLDER / "words.yaml", Words, "the word lists")


Read = TypeVar("Read", bound=_Part)


def _read(path: Path, model: type[Read], what: str, **more: str) -> Read:
    try:
        content = files.read_yaml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read as text ({error}). Save it as UTF-8.") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = (getattr(error, "problem", None) or str(error)).splitlines()[0]
        raise StudyError(
            f"{path}{where}: this is not valid YAML ({problem}). A text needs quotes, or a line of "
            "its own below a `|`, if it begins with `{` or holds `: `."
        ) from None

    def keys_at(location: list[Any]) -> list[str]:
        inner = {"pages": Page, "relations": Relation}.get(location[0]) if location[1:] else None
        return [key for key in (inner or model).model_fields if key not in more]

    if not isinstance(content, dict):
        keys = ", ".join(f"`{key}: ...`" for key in keys_at([]))
        raise StudyError(f"{path}: {what} is to be a YAML mapping with {keys}.")
    try:
        return model.model_validate(content | more)
    except ValidationError as error:
        raise StudyError(explain(path, error, keys_at, what)) from None
