"""Numbers and dates in a text, compared by what they say: value, sign, unit and scale.

"1.5 million" and "1,500,000" are the same number; "-40" and "40" are not, nor "3.5 %" and "35 %",
nor "5 million" and "5 billion". Dates are the same in any form. English words ("twenty-one",
"percent"); numbers that are part of a name or code (B12, covid-19, F-16) are none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_MONTHS = (
    "january february march april may june july august september october november december"
).split()
_MONTH = {name[:3]: number for number, name in enumerate(_MONTHS, start=1)}
_MONTH_NAME = rf"(?:{'|'.join(m if len(m) < 5 else f'{m}|{m[:3]}' for m in _MONTHS)}|sept)\b\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(\d{4})\b"
_DATES = tuple(
    (re.compile(pattern, re.IGNORECASE), order)
    for pattern, order in (
        (rf"\b{_DAY}(?: of)? ({_MONTH_NAME}),? {_YEAR}", "dmy"),
        (rf"\b({_MONTH_NAME}) {_DAY},? {_YEAR}", "mdy"),
        (rf"\b({_MONTH_NAME}),? {_YEAR}", "my"),
        (rf"\b{_DAY}(?: of)? ({_MONTH_NAME})", "dm"),
        (rf"\b({_MONTH_NAME}) {_DAY}\b", "md"),
        (r"\b(\d{4})-(\d{2})-(\d{2})\b", "ymd"),
        (r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b", "dmy"),
        (r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", "either"),
    )
)
_SCALES = {
    "hundred": 1e2, "dozen": 12, "thousand": 1e3, "k": 1e3, "million": 1e6, "millions": 1e6,
    "m": 1e6, "mn": 1e6, "mln": 1e6, "billion": 1e9, "billions": 1e9, "bn": 1e9, "b": 1e9,
    "trillion": 1e12, "trillions": 1e12, "tn": 1e12,
}  # fmt: skip
# What a unit measures, and how many of the first one it is.
_UNITS: dict[str, tuple[str, float]] = {
    name: (kind, factor)
    for kind, units in {
        "%": {"% percent pct percentage": 1},
        "length": {
            "m metre metres meter meters": 1, "km kilometre kilometres kilometer kilometers": 1e3,
            "cm centimetre centimetres centimeter centimeters": 1e-2,
            "mm millimetre millimetres millimeter millimeters": 1e-3,
            "nm nanometre nanometres nanometer nanometers": 1e-9,
            "µm μm um micrometre micrometres micrometer micrometers": 1e-6,
            "mile miles mi": 1609.344, "foot feet ft": 0.3048, "inch inches": 0.0254,
            "yard yards yd": 0.9144,
        },
        "mass": {
            "g gram grams": 1, "kg kilogram kilograms kilo kilos": 1e3,
            "mg milligram milligrams": 1e-3, "µg μg ug mcg microgram micrograms": 1e-6,
            "tonne tonnes": 1e6, "ton tons": 1e6, "lb lbs pound-weight": 453.59237,
            "ounce ounces oz": 28.349523,
        },
        "time": {
            "s sec second seconds": 1, "ms millisecond milliseconds": 1e-3,
            "min mins minute minutes": 60, "h hr hrs hour hours": 3600, "day days": 86400,
            "week weeks": 604800,
        },
        "months": {"month months": 1, "year years yr yrs": 12, "decade decades": 120,
                   "century centuries": 1200},
        "volume": {"l litre litres liter liters": 1, "ml millilitre milliliter milliliters": 1e-3,
                   "gallon gallons": 3.785412},
        "celsius": {"°c celsius ℃": 1},
        "fahrenheit": {"°f fahrenheit ℉": 1},
        "dollars": {"$ us$ usd dollar dollars": 1, "cent cents": 0.01},
        "euros": {"€ eur euro euros": 1},
        "pounds": {"£ gbp": 1},
        "yen": {"¥ yen": 1},
    }.items()
    for names, factor in units.items()
    for name in names.split()
}  # fmt: skip
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12,
}  # fmt: skip
_VALUES = {word: value for value, word in enumerate(_ONES)}
_VALUES |= {word: 10 * value for value, word in enumerate(_TENS, start=2)}
_WORD = rf"(?:{'|'.join(sorted([*_VALUES, *_ORDINALS], key=len, reverse=True))})"
_NUMBER_WORDS = re.compile(
    rf"\b(?:a (?=hundred|thousand|million|billion|dozen))?(?:{_WORD}|(?<=a )(?:hundred|dozen))"
    rf"(?:(?:[ -]| and )(?:{_WORD}|hundred|thousand|million|billion|trillion|dozen))*\b",
    re.IGNORECASE,
)
_DIGITS = (
    r"\d{1,3}(?:[,\u2009\u202f\u00a0' ]\d{3})+(?:\.\d+)?"
    r"|\d+(?:\.\d{3}){2,}(?:,\d+)?|\d+(?:[.,]\d+)*"
)
_NUMBER = re.compile(
    r"(?P<words>\b(?:minus|negative)\s+)?"
    r"(?:(?<![\w)\]%])(?P<sign>[-\u2212\u2013](?=[$€£¥]?\.?\d)))?"
    r"(?P<currency>US\$|[$€£¥])?\s?"
    rf"(?<![\w.,/])(?<![a-z][-\u2010\u2011])(?P<digits>{_DIGITS}|\.\d+)"
    r"(?:\s?[x×*]\s?10\s?\^?\s?(?P<power>[-\u2212]?\d{1,9})|e(?P<exponent>[-+]?\d{1,9}))?"
    r"(?P<tail>st|nd|rd|th|s)?\b(?![.,]\d)"
    r"|(?<![\w.,/])(?P<top>\d{1,300})/(?P<bottom>\d{1,300})(?![\w/])",
    re.IGNORECASE,
)
_SCALE = re.compile(rf"[\s-]?({'|'.join(sorted(_SCALES, key=len, reverse=True))})\b", re.IGNORECASE)
_UNIT = re.compile(
    r"[\s-]?((?:per cent|°\s?[cf]|degrees? (?:c|f|celsius|fahrenheit))\b|[%℃℉$€£¥]|[a-zµμ]+)",
    re.IGNORECASE,
)
_BELOW = re.compile(
    r"\s*(?:°\s?[cf]?|degrees?\s*(?:c|f|celsius|fahrenheit)?)?\s*below zero\b|\s+b\.?c\.?(?:e\b)?",
    re.IGNORECASE,
)
_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
PRONOUNS = ("one", "first", "second")  # words that mostly count nothing


@dataclass(frozen=True)
class Quantity:
    """A number: `value` in the unit's base, with `kind` what the unit measures ("" for none).

    `bare` is the number as written, scale included, without its unit's factor. `span` is its place
    in the text, `vague` whether it is a word that is often no number ("one of them").
    """

    value: float
    kind: str
    bare: float
    span: tuple[int, int]
    vague: bool = False

    @property
    def is_year(self) -> bool:
        return not self.kind and 1000 <= self.bare <= 2100 and self.bare == int(self.bare)


@dataclass(frozen=True)
class Date:
    """A calendar date as far as it is given. `turned` is its other reading (3/4/1990)."""

    year: int | None
    month: int | None
    day: int | None
    span: tuple[int, int]
    turned: tuple[int | None, int | None] | None = None


Found = Quantity | Date


@lru_cache(maxsize=20_000)
def quantities(text: str) -> tuple[Found, ...]:
    """The dates and numbers of a text, in their order."""
    found: list[Found] = []
    rest = text.translate(_POWERS) if any(c in text for c in "⁰¹²³⁴⁵⁶⁷⁸⁹") else text
    for pattern, order in _DATES:
        for match in pattern.finditer(rest):
            if date := _date(match, order):
                found.append(date)
                rest = rest[: match.start()] + " " * len(match.group()) + rest[match.end() :]
    found += _numbers(rest)
    return tuple(sorted(found, key=lambda item: item.span))


def same(asked: Found, given: Found) -> bool:
    """Whether `given` says what `asked` says; a date may be given more exactly than was asked."""
    if isinstance(asked, Date) and isinstance(given, Date):
        readings = [(given.month, given.day), *([given.turned] if given.turned else [])]
        wanted = [(asked.month, asked.day), *([asked.turned] if asked.turned else [])]
        return _agrees(asked.year, given.year) and any(
            _agrees(month, m) and _agrees(day, d) for month, day in wanted for m, d in readings
        )
    if isinstance(given, Date):
        return isinstance(asked, Quantity) and asked.is_year and asked.bare == given.year
    if isinstance(asked, Date):
        only_year = asked.month is None and asked.day is None
        return only_year and given.bare == asked.year
    if asked.kind and given.kind:
        return asked.kind == given.kind and _equal(asked.value, given.value)
    if "%" in (asked.kind, given.kind) and _equal(
        *(q.bare / 100 if q.kind == "%" else q.bare for q in (asked, given))
    ):
        return True
    return _equal(asked.bare, given.bare)


def alike(asked: Found, given: Found) -> bool:
    """Whether `given` could stand in the place of `asked`: both dates, or numbers of one kind."""
    if isinstance(asked, Quantity) and isinstance(given, Quantity) and asked.bare == -given.bare:
        return True  # the sign alone was changed
    dates = [isinstance(q, Date) or q.is_year for q in (asked, given)]
    if all(dates):
        return True
    if isinstance(asked, Date) or isinstance(given, Date):
        return False
    if dates[0] != dates[1] and not (asked.kind or given.kind):
        # A year beside a count is no other count.
        return False
    return not asked.kind or not given.kind or asked.kind == given.kind


def _agrees(asked: int | None, given: int | None) -> bool:
    return asked is None or asked == given


def _equal(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)


def _date(match: re.Match[str], order: str) -> Date | None:
    parts = dict(zip(order, match.groups(), strict=True)) if order != "either" else {}
    if order == "either":
        first, second, year = (int(part) for part in match.groups())
        readings = [(m, d) for m, d in ((first, second), (second, first)) if _possible(m, d)]
        if not readings:
            return None
        turned = readings[1] if len(readings) > 1 else None
        return Date(year, *readings[0], match.span(), turned)
    month = parts.get("m")
    number = None if month is None else _MONTH.get(month[:3].lower()) or int(month)
    day = int(parts["d"]) if "d" in parts else None
    if not _possible(number, day):
        return None
    return Date(int(parts["y"]) if "y" in parts else None, number, day, match.span())


def _possible(month: int | None, day: int | None) -> bool:
    return (month is None or 1 <= month <= 12) and (day is None or 1 <= day <= 31)


def _numbers(text: str) -> Iterator[Quantity]:
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        if match["top"]:
            if int(match["bottom"]):
                yield Quantity(
                    int(match["top"]) / int(match["bottom"]),
                    "",
                    int(match["top"]) / int(match["bottom"]),
                    (start, end),
                )
            continue
        tail = (match["tail"] or "").lower()
        value = _value(match["digits"])
        power = match["power"] or match["exponent"]
        if power:
            value *= 10.0 ** max(-300, min(300, int(power.replace("\u2212", "-"))))
        if match["sign"] or match["words"]:
            value = -value
        yield _with_unit(text, value, start, end, match["currency"] or "", bool(tail))
    for match in _ATTACHED_NUMBER.finditer(text):
        value = _value(match["digits"])
        sign = match["sign"]
        yield _with_unit(
            text,
            -value if sign else value,
            match.start(),
            match.end(),
            match["currency"] or "",
            False,
        )
    for match in _NUMBER_WORDS.finditer(_BELOW.sub(lambda m: " " * len(m.group()), text)):
        words = match.group().lower()
        number = _spoken(words)
        if number is None:
            continue
        before = re.search(
            r"\b(?:minus|negative)\s+\Z", text[max(0, match.start() - 12) : match.start()], re.I
        )
        yield _with_unit(
            text, -number if before else number, match.start(), match.end(), "", False,
            words in PRONOUNS,
        )  # fmt: skip


# 40mg, 1.5M, $3bn: the number's end is no end of a word.
_ATTACHED_NUMBER = re.compile(
    r"(?:(?<![\w)\]%])(?P<sign>[-\u2212\u2013](?=[$€£¥]?\d)))?(?P<currency>US\$|[$€£¥])?"
    rf"(?<![\w.,/-])(?P<digits>{_DIGITS})"
    r"(?=(?:k|m|mn|bn|b|km|cm|mm|nm|mg|kg|g|ml|ms|tn|h|min|l|lb|lbs|ft|oz|µm|µg)\b)",
    re.IGNORECASE,
)


def _with_unit(
    text: str, value: float, start: int, end: int, currency: str, ordinal: bool, vague: bool = False
) -> Quantity:
    """The number with the scale and the unit that stand behind it (or the currency before it)."""
    kind, factor = _UNITS[currency.lower()] if currency else ("", 1.0)
    if not ordinal:
        spoken_scale = text[start:end][-1:].isalpha()
        if (
            (scale := _SCALE.match(text, end))
            and not spoken_scale
            and _is_scale(scale, text, bool(currency))
        ):
            value *= _SCALES[scale[1].lower()]
            end = scale.end()
        if _BELOW.match(text, end):
            value = -abs(value)
        unit = _UNIT.match(text, end)
        name = re.sub(r"\s+|degrees?", "", unit[1].lower()) if unit else ""
        name = {"percent": "%", "c": "°c", "f": "°f"}.get(name, name) if unit else ""
        if name in _UNITS and not currency and unit[1] not in ("c", "C", "f", "F"):
            kind, factor = _UNITS[name]
            end = unit.end()
    return Quantity(value * factor, kind, value, (start, end), vague)


def _is_scale(match: re.Match[str], text: str, money: bool) -> bool:
    """Whether "m" or "b" says million and billion here, and not metres or nothing."""
    name = match[1]
    if len(name) > 2 or name.lower() in ("mn", "bn", "tn"):
        return True
    attached = match.start() == match.start(1)
    return attached and (money or name in ("M", "B", "k", "K"))


def _value(digits: str) -> float:
    """A number as written. A comma is a decimal one only where it cannot group thousands."""
    digits = re.sub(r"[\u2009\u202f\u00a0' ]", "", digits)
    if "," in digits and "." in digits:
        last = max(digits.rfind(","), digits.rfind("."))
        whole = re.sub(r"[.,]", "", digits[:last])
        return float(f"{whole}.{digits[last + 1 :]}")
    if "," in digits:
        grouped = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+", digits)
        if grouped or digits.count(",") > 1:
            return float(digits.replace(",", ""))
        return float(digits.replace(",", "."))
    if digits.count(".") > 1:
        return float(digits.replace(".", ""))
    return float(digits)


def _spoken(words: str) -> float | None:
    """A number in words ("two hundred and five"); None for what is none."""
    total, part, seen = 0.0, 0.0, False
    for word in re.split(r"[\s-]+", words):
        if word in _VALUES:
            part, seen = part + _VALUES[word], True
        elif word in _ORDINALS:
            part, seen = part + _ORDINALS[word], True
        elif word == "hundred":
            part, seen = max(part, 1) * 100, True
        elif word in _SCALES:
            part, seen = max(part, 1) * _SCALES[word], True
            if _SCALES[word] >= 1000:
                total, part = total + part, 0.0
        elif word not in ("and", "a"):
            return None
    return total + part if seen else None
