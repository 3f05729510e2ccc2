"""What can be read off an answer without a model: how far it holds a right answer, and what speaks
against it.

Each right answer is compared for itself, and the one that fits best counts: the words that the
question does not hold already, numbers by their value (`quantities`), names by their parts. An
answer that holds a right one may still take it back: by a negation, or as one of several guesses.
English; of other languages only letters and numbers are compared.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from rag_study.common.text import contains, normalise
from rag_study.evaluation import yes_no
from rag_study.evaluation.judging.cleaning import sentences
from rag_study.evaluation.judging.quantities import Date, Found, Quantity, alike, quantities, same

_STOP = frozenset(
    "a an the of in on at to for from by with as is are was were be been being it its this that "
    "these those and or but if then than so do does did has have had he she they his her their we "
    "you i there here which who whom whose what when where how why into onto over about also can "
    "could would should may might will shall not no".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SUFFIX = re.compile(r"(?<=\w{3})(?:ies|ing|ed|es|s|ly)\Z")
_NAME = re.compile(r"\b[A-Z][\w'’.-]*")
_TITLES = frozenset("mr mrs ms dr sir lord lady king queen president saint st general".split())
_SUFFIXES = frozenset("jr sr ii iii iv".split())
_PERSON = re.compile(
    r"\b(?:who|whom|whose|person|singer|actor|actress|author|player|president|"
    r"founder|inventor|director|leader|name (?:of|the))\b",
    re.I,
)
_BEFORE = re.compile(
    r"(?:\b(?:not|never|nor|neither|no longer|without|rather than|instead of|unlike|except"
    r"|excluding|contrary to|other than|opposed to|(?:distinct|different|differs|apart) from"
    r"|(?:confused?|confusing|contrasted|in contrast) (?:with|to)|wrongly|mistakenly|falsely)\b"
    r"|n['’]t\b)[^.;!?\n]{0,25}\Z",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\A[^.;!?\n,]{0,12}\b(?:is|was|are|were)n['’]t\b"
    r"|\A[^.;!?\n,]{0,12}\b(?:is|was|are|were|would be)\s+(?:\w+\s)?(?:wrong|false|incorrect|"
    r"untrue|mistaken|a mistake|a myth|not (?:the|right|true|correct|it)\b)",
    re.IGNORECASE,
)
# "but" turns a negation that came before: "not London but Paris".
_TURNED = re.compile(r"\b(?:but|it (?:is|was)|rather)\b|[,;]\s*$", re.IGNORECASE)
_ITEMS = re.compile(
    r"\s*(?:[,;/\n•|]|\b(?:or|and|either|maybe|perhaps|possibly)\b)\s*", re.IGNORECASE
)
_GUESS = re.compile(
    r"\b(?:either|maybe|perhaps|possibly|(?:could|might|may) (?:also |well )?(?:be|have been)|"
    r"not sure|one of (?:these|them|the following))\b",
    re.IGNORECASE,
)
_OR = re.compile(r"\bor\b|(?<=\w)\s?/\s?(?=[A-Z])", re.IGNORECASE)
_NEAR = 60  # letters before and behind a match that may take it back
_MAX_ITEM = 5  # words of an item in a list of guesses
_POLAR = re.compile(r"\A\W*(yes|no)\b(?=\W*\Z|\s*[,.;:—–-])", re.IGNORECASE)
WHOLE, FEW = 7, 2  # words of a right answer that is a sentence; of one that is none
SMALL_SIDE = 0.35  # of the reference's words; an answer with fewer is measured against so many


@dataclass(frozen=True)
class Evidence:
    """How an answer compares with the right answers. Shares are between 0 and 1.

    `match`: it holds one of them as a whole (1), or a person by another form of the name (0.9).
    `share`: of the right answer's words, without those of the question, the share that it holds;
    `overlap`: the words they have in common against the shorter of both; `f1` token F1. All four
    are cut by the share of wrong numbers, and 0 where all is denied.
    `numbers`: share of the right answer's numbers that it holds, `other_number`: it has another one
    in place of one that is missing. `names`, `other_name`: the same for words with a capital.
    `denied`: all that matches is negated, or a yes is a no. `rivals`: further items beside what
    matches in a list of guesses. `points`: share of the facts of a complete answer that it names.
    `words`: its length. `facts` and `size`: how many facts and words the right answer has.
    `reference`: the right answer that fits best.
    """

    match: float
    share: float
    overlap: float
    f1: float
    numbers: float
    other_number: bool
    names: float
    other_name: bool
    denied: bool
    fragment: bool
    rivals: int
    points: float
    words: int
    facts: int
    size: int
    reference: str

    def record(self) -> dict[str, object]:
        return asdict(self)


def evidence(
    question: str, references: Sequence[str], answer: str, key_points: Sequence[Sequence[str]] = ()
) -> Evidence:
    """The evidence of one answer, cleaned of its form, against all right answers.

    `key_points` are the facts that a complete answer names, each with interchangeable wordings;
    without them, the items or sentences of the right answer that fits best.
    """
    compared = [_compare(question, reference, answer) for reference in references]
    # What is taken back in one wording is not said in another one.
    best = max(compared, key=lambda e: (e.match, e.denied, e.share, e.f1))
    rivals = _rivals(question, references, best.reference, answer) if best.match else 0
    facts = tuple(tuple(point) for point in key_points) or _facts(best.reference)
    points = best.share if not best.match else best.match
    if len(facts) > 1:
        points = sum(_named(question, wordings, answer) for wordings in facts) / len(facts)
    values = best.record() | {"rivals": rivals, "points": points, "facts": max(1, len(facts))}
    return Evidence(**values)  # type: ignore[arg-type]


# --- One right answer ---------------------------------------------------------------------------


def _compare(question: str, reference: str, answer: str) -> Evidence:
    asked, known = _numbers(reference), _numbers(question)
    given = _numbers(answer)
    missing = [number for number in asked if not any(same(number, other) for other in given)]
    strange = [
        number
        for number in given
        if not _vague(number)
        and not any(same(q, number) or same(number, q) for q in (*asked, *known))
    ]
    timeless = not any(isinstance(number, Date) or number.is_year for number in strange)
    other_number = any(
        alike(number, other) or (timeless and _undated(number, other))
        for number in missing
        for other in strange
    )
    wanted = _words(reference)
    # What the question says already tells nothing, unless the answer is nothing else.
    telling = wanted - _words(question) or wanted
    held = _words(answer) if len(wanted) >= WHOLE else _nearest(answer, telling)
    share = len(telling & held) / len(telling) if telling else 0.0
    new = (held - _words(question)) | (held & telling)
    common = len(telling & new)
    smaller = max(min(len(telling), len(new)), SMALL_SIDE * len(telling), 1)
    f1 = 2 * common / (len(telling) + len(new)) if telling or new else 0.0
    match = _match(question, reference, answer, missing)
    denied = bool(match) and _denied(reference, answer)
    if len(reference.split()) == 1 and (agrees := yes_no.agrees(answer, reference)) is not None:
        match = float(agrees)
    polar, said = _POLAR.match(reference), _POLAR.match(answer)
    if polar and said:
        agree = polar[1].lower() == said[1].lower()
        brief = len(wanted) <= 1 or len(answer.split()) <= 2
        match, denied = (max(match, 0.9 * brief), denied) if agree else (0.0, True)
    # Words around a wrong number, and words that are taken back, are no evidence of a right answer.
    held_up = 0.0 if denied else 1 - len(missing) / len(asked) if other_number else 1.0
    named = _names(reference) - _names(question)
    said_names = {word.lower().strip(".'’") for word in answer.split()} | held | _names(answer)
    lacking = {name for name in named if name not in said_names and _stem(name) not in held}
    strangers = _names(answer) - _names(reference) - {w.lower() for w in question.split()}
    return Evidence(
        match=match * held_up,
        share=share * held_up,
        overlap=min(1.0, common / smaller) * held_up,
        f1=f1 * held_up,
        numbers=1 - len(missing) / len(asked) if asked else 1.0,
        other_number=other_number,
        names=1 - len(lacking) / len(named) if named else 1.0,
        other_name=bool(lacking and strangers),
        denied=denied,
        fragment=not match and len(wanted) >= WHOLE and len(held) <= FEW and share < 0.25,
        rivals=0,
        points=0.0,
        words=len(answer.split()),
        facts=1,
        size=len(wanted),
        reference=reference,
    )


def _nearest(answer: str, telling: frozenset[str]) -> frozenset[str]:
    """The words of the two neighbouring sentences that have most of the telling ones: words of a
    short answer that stand far apart in a long text are there by chance."""
    parts = sentences(answer)
    if len(parts) <= 2:
        return _words(answer)
    pairs = (_words(f"{a}\n{b}") for a, b in itertools.pairwise(parts))
    return max(pairs, key=lambda words: len(words & telling))


def _match(question: str, reference: str, answer: str, missing: list[Found]) -> float:
    if missing:
        return 0.0
    if contains(answer, reference):
        return 1.0
    numbers = _numbers(reference)
    if numbers:
        # A number with words around it: the number is what was asked for.
        words = {w for w in _words(reference, numbers=False) if w not in _words(question)}
        if len(words) <= 1 and (not words or words <= _words(answer) or _is_unit(numbers)):
            return 1.0
        return 0.0
    tight, text = _squeezed(reference), _squeezed(answer)
    if len(tight) >= 6 and tight in text:
        return 1.0
    return 0.9 if _same_person(question, reference, answer) else 0.0


def _is_unit(numbers: Sequence[Found]) -> bool:
    return any(isinstance(number, Date) or number.kind for number in numbers)


def _same_person(question: str, reference: str, answer: str) -> bool:
    """Whether the answer names a person by the last name, without another first name before it."""
    if not _PERSON.search(question):
        return False
    parts = [w for w in re.findall(r"[^\W\d_][\w'’-]*", reference) if w.lower() not in _TITLES]
    while parts and parts[-1].lower() in _SUFFIXES:
        parts.pop()
    if not 2 <= len(parts) <= 4 or not all(
        p[0].isupper() or p in ("de", "van", "von", "la", "of") for p in parts
    ):
        return False
    last, first = parts[-1], [p.lower() for p in parts[:-1]]
    if len(last) < 3 or contains(question, last):
        return False
    # Further names may stand between the first and the last one.
    whole = rf"\b{re.escape(first[0])}\W+(?:[^\W\d_][\w.'’-]*\W+){{0,2}}?{re.escape(last)}\b"
    if re.search(whole, answer, re.IGNORECASE):
        return True
    for found in re.finditer(rf"\b{re.escape(last)}\b", answer, re.IGNORECASE):
        near = answer[max(0, found.start() - _NEAR) : found.start()]
        before = re.search(r"([^\W\d_][\w'’-]*)\.?\s+\Z", near)
        word = before[1] if before else ""
        starts = not before or re.search(r"(?:[.!?:]|\A)\s*\Z", near[: before.start()])
        if not word or not word[0].isupper() or word.lower() in _TITLES:
            return True
        if any(word.lower() == name or _initial(word, name) for name in first):
            return True
        if starts and word.lower() in _STOP:
            return True
    return False


def _initial(a: str, b: str) -> bool:
    return a[:1].lower() == b[:1].lower() and 1 in (len(a), len(b))


def _denied(reference: str, answer: str) -> bool:
    """Whether everything in the answer that says the reference is negated there."""
    if _BEFORE.search(reference + " "):
        return False
    pattern = r"\W+".join(re.escape(w) for w in _WORD.findall(reference))
    places = list(re.finditer(rf"\b{pattern}\b", answer, re.IGNORECASE)) if pattern else []
    if not places:
        return False
    return all(_negated(answer, place.start(), place.end()) for place in places)


def _negated(answer: str, start: int, end: int) -> bool:
    before = _BEFORE.search(answer[max(0, start - _NEAR) : start])
    if before and not _TURNED.search(re.sub(r"\A\W*\w+(?:['’]t)?", "", before.group())):
        return True
    return bool(_AFTER.search(answer[end : end + _NEAR]))


def _rivals(question: str, references: Sequence[str], reference: str, answer: str) -> int:
    """Items beside the one that matches, where the answer guesses: in a sentence that says so, or
    as a list of nothing but names or numbers to a question with one right answer."""
    if len(_facts(reference)) > 1 or _ITEMS.search(reference):
        return 0
    likes, exact = _like(reference)
    found = 0
    for part in sentences(answer):
        guesses = _GUESS.search(part) or (exact and _OR.search(part) and not _OR.search(question))
        if guesses and contains(part, reference):
            items = [item.strip(" .!?:\"'") for item in _ITEMS.split(part)]
            found = max(found, _others(items, likes, question, references))
    items = [item.strip(" .!?:\"'-*0123456789)") for item in _ITEMS.split(answer)]
    items = [item for item in items if item]
    length = len(reference.split()) + 1
    spoken = ":" in answer or "answer" in answer.lower()
    bare = (
        not spoken
        and len(items) > 2
        and all(
            len(item.split()) <= _MAX_ITEM
            and likes(item)
            and (len(item.split()) <= length or not contains(item, reference))
            for item in items
        )
    )
    named = {_squeezed(r) for r in references if contains(answer, r)}
    one = all(any(a in b or b in a for b in named) for a in map(_squeezed, references))
    if bare and one and exact:
        found = max(found, _others(items, likes, question, references))
    return found


def _others(
    items: Sequence[str], likes: Callable[[str], bool], question: str, references: Sequence[str]
) -> int:
    return sum(
        likes(item)
        and not contains(question, item)
        and not any(contains(item, r) or contains(r, item) for r in references)
        for item in items
        if 0 < len(item.split()) <= _MAX_ITEM + 2
    )


def _like(reference: str) -> tuple[Callable[[str], bool], bool]:
    """A test for items that could stand in the reference's place, and whether it is exact: names
    and numbers have a form, of other words any will do."""
    if _numbers(reference):
        return (lambda item: bool(_numbers(item))), True
    if reference[:1].isupper():
        return (lambda item: bool(_NAME.search(item))), True
    return (lambda item: bool(_words(item))), False


# --- Facts --------------------------------------------------------------------------------------


@lru_cache(maxsize=20_000)
def _facts(reference: str) -> tuple[tuple[str, ...], ...]:
    """The items of a list, or the sentences and clauses of a longer text; each a fact."""
    items = [i for i in re.split(r"[,;]\s+(?:and\s+|or\s+)?|\s+and\s+|\n+", reference) if i.strip()]
    if len(items) > 1 and all(len(item.split()) <= _MAX_ITEM for item in items):
        return tuple((item,) for item in items)
    parts = [p for s in sentences(reference) for p in re.split(r";\s+|,\s+(?:and|but|while)\s+", s)]
    facts = [part for part in parts if len(_words(part)) >= 3]
    return tuple((fact,) for fact in facts) if len(facts) > 1 else ((reference,),)


def _named(question: str, wordings: Sequence[str], answer: str) -> float:
    """How far the answer names a fact: 1 where it holds a wording, else the share of its words."""
    compared = [_compare(question, wording, answer) for wording in wordings]
    return max(e.match or (0.0 if e.denied or e.other_number else e.share) for e in compared)


# --- Words --------------------------------------------------------------------------------------


@lru_cache(maxsize=20_000)
def _numbers(text: str) -> tuple[Found, ...]:
    return quantities(text)


def _undated(asked: Found, given: Found) -> bool:
    """Whether a bare number stands where a year was asked for (a digit was dropped)."""
    wanted = isinstance(asked, Date) or asked.is_year
    return wanted and isinstance(given, Quantity) and not given.kind


def _vague(number: Found) -> bool:
    return isinstance(number, Quantity) and number.vague


@lru_cache(maxsize=20_000)
def _words(text: str, numbers: bool = True) -> frozenset[str]:
    """The words that tell something, without their endings, and the values of the numbers."""
    values: set[str] = set()
    rest = text
    for number in _numbers(text):
        if _vague(number):
            continue
        start, end = number.span
        rest = rest[:start] + " " * (end - start) + rest[end:]
        if isinstance(number, Date):
            parts = (("y", number.year), ("m", number.month), ("d", number.day))
            values |= {
                f"#{name}{value}" if name != "y" else f"#{float(value)}"
                for name, value in parts
                if value
            }
        else:
            values.add(f"#{number.bare:g}" if abs(number.bare) >= 1e6 else f"#{float(number.bare)}")
    plain = unicodedata.normalize("NFKD", rest.lower())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = [re.sub(r"['’](?:s|t)?\Z", "", word) for word in _WORD.findall(plain)]
    telling = {_stem(word) for word in words if word not in _STOP}
    telling = telling or {_stem(word) for word in words}
    return frozenset(telling | values if numbers else telling)


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    return _SUFFIX.sub("", word.lower().strip(".'’"))


@lru_cache(maxsize=20_000)
def _names(text: str) -> frozenset[str]:
    """Words with a capital inside their sentence, lower case; none in a text all in capitals."""
    letters = [c for c in text if c.isalpha()]
    if sum(c.isupper() for c in letters) > 0.6 * len(letters) and len(letters) > 5:
        return frozenset()
    found = set()
    for part in sentences(text):
        single = len(part.split()) <= _MAX_ITEM
        for match in _NAME.finditer(part):
            if (match.start() > 0 or single) and match.group().lower() not in _STOP:
                found.add(match.group().lower().strip(".'’"))
    return frozenset(found)


@lru_cache(maxsize=20_000)
def _squeezed(text: str) -> str:
    return normalise(text).replace(" ", "")
