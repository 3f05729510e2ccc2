"""What a kind of world consists of: values, pages, and questions about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One document: `lead` and each group of `body` are wordings of the same statement.

    The groups of `body` are shuffled unless the page is `ordered` (an abstract goes from aim to
    conclusion); a sentence of `fillers` then comes last.
    """

    title: str
    lead: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    fillers: tuple[str, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Relation:
    """One thing to ask about a world.

    `pages` are the numbers of the gold pages (from 0), `points` the slots that are the key
    points, `reference` the reference answer where it is not just the points, `also` further
    right answers. In a style that answers in sentences the reference is one of the `rewordings`,
    which then are at least two full sentences, and another of them is the rewording.

    A yes/no relation has one point, the true value, and in `wrong` the slot of the false one; its
    questions have {value}, and its rewordings are (for yes, for no), as often as wanted.

    `statement` is the number of the group in the body of the page that holds the answer. Such a
    relation can be asked as unanswerable: the page then leaves the group out. Nothing else may
    be asked about that group.
    """

    answer_type: str
    pages: tuple[int, ...]
    points: tuple[str, ...]
    questions: tuple[str, ...]
    rewordings: tuple[str, ...]
    reference: str = ""
    also: tuple[str, ...] = ()
    wrong: str = ""
    statement: int | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of world. Draws, in the order of `slots` (results are strings):

    ("twin", patterns)            a name one letter apart in the two worlds of a pair; patterns
                                  have {} for the invented word
    ("twin_place",)               the same for a place
    ("twin_person",)              the same for a person; also {slot}_short (surname), _she, _her,
                                  _She, _Her, _them
    ("twin_gene",)                the same for the symbol of a gene, one digit apart
    ("twin_pick", list)           an entry of WORDS that both worlds share, never asked for
    ("word",) ("word", patterns) ("place",) ("person",)
    ("year", low, high)           a year
    ("year", slot, low, high)     a year so many years after that of another slot
    ("number", low, high, unit)   a quantity; both bounds count; also {slot}_number
    ("decimal", low, high)        a number with one decimal place; the bounds are in tenths
    ("pick", list)                an entry of WORDS
    """

    name: str
    slots: dict[str, tuple]
    pages: tuple[Page, ...]
    relations: tuple[Relation, ...]
