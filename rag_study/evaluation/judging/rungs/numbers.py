"""A number in a right answer: written in another way, or wrong."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from random import Random

from rag_study.common.text import contains

MONTHS = tuple(calendar.month_name)[1:]
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
# Units of one dimension: what is said in one of them is wrong in another.
_UNITS = (
    ("mm", "cm", "km", "miles", "inches"),
    ("millimetres", "centimetres", "kilometres", "yards"),
    ("mg", "kg", "tonnes", "pounds"),
    ("seconds", "minutes", "hours", "days", "weeks", "months", "decades"),
    ("ml", "litres", "gallons"),
    ("°C", "°F"),
    ("kHz", "MHz", "GHz"),
    ("kB", "MB", "GB", "TB"),
    ("kW", "MW", "GW"),
)
_OF_UNIT = {unit: units for units in _UNITS for unit in units}
_SPELLED = {
    "km": "kilometres",
    "cm": "centimetres",
    "mm": "millimetres",
    "kg": "kilograms",
    "mg": "milligrams",
    "ml": "millilitres",
    "GB": "gigabytes",
    "MHz": "megahertz",
}
# A number of its own: no part of a word, a code, a time, a range or a date in digits.
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
NUMBER = re.compile(rf"(?<![\w.,:/\-–−])[-−]?{_DIGITS}(?![\w:/]|[.,]\d|[-–−]\d)")
_MONTH = rf"(?:{'|'.join(MONTHS)})"
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})\s({_MONTH}),?\s(\d{{4}})\b")
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\s(\d{{1,2}}),?\s(\d{{4}})\b")
_YEAR_BEFORE = re.compile(r"(?:\A|\b(?:[Ii]n|since|from|until|after|before)\s)\Z")
_AFTER = re.compile(r"\s?(%|percent\b|per cent\b|[^\W\d]+)")


def otherwise(text: str, random: Random) -> dict[str, str]:
    """`text` with one number written in another way that says the same, by what was done."""
    made: dict[str, str] = {}
    for found in _dates(text):
        start, end, (day, month, year) = found
        number = MONTHS.index(month) + 1
        forms = (
            f"{day} {month} {year}",
            f"{month} {day}, {year}",
            f"{year}-{number:02d}-{day:02d}",
            f"{day} {month[:3]} {year}",
        )
        said = " ".join(text.replace(",", "").split())
        other = [form for form in forms if form.replace(",", "") not in said]
        made["date"] = text[:start] + random.choice(other) + text[end:]
    for match in NUMBER.finditer(text):
        if any(start <= match.start() < end for start, end, _ in _dates(text)):
            continue
        for way, put, longer in _rewritten(text, match):
            made.setdefault(way, text[: match.start()] + put + text[match.end() + longer :])
    for match in re.finditer(rf"\b(?:{'|'.join(_SMALL[2:])})\b", text, re.IGNORECASE):
        digits = str(_SMALL.index(match.group().lower()))
        made.setdefault("digits", text[: match.start()] + digits + text[match.end() :])
    return made


def _rewritten(text: str, match: re.Match) -> Iterator[tuple[str, str, int]]:
    """(what was done, what is put, how many characters after the number go with it)."""
    number, after = match.group(), _AFTER.match(text, match.end())
    word = after.group(1) if after else ""
    length = len(after.group()) if after else 0
    bare = number.replace(",", "")
    if is_year(number, word):
        if _YEAR_BEFORE.search(text[: match.start()]) and not re.match(
            r"\s\w", text[match.end() :]
        ):
            yield "year", f"the year {number}", 0
        return
    if word in ("%", "percent", "per cent"):
        yield "percent", f"{number} percent" if word == "%" else f"{number} %", length
    elif word in _SPELLED:
        yield "unit", f"{number} {_SPELLED[word]}", length
    elif word in _SCALES and "." not in number:
        yield "scale", f"{int(bare) * _SCALES[word]:,}", length
    if re.fullmatch(r"\d{4,}", number):
        yield "thousands", f"{int(number):,}", 0
    elif "," in number and "." not in number:
        yield "thousands", bare, 0
        value = int(bare)
        if value > 10**6 and value % 10**4 == 0:
            yield "scale", f"{value / 10**6:g} million", 0
    if re.fullmatch(r"\d+\.\d+", number):
        yield "zero", f"{number}0", 0
    if re.fullmatch(r"\d", number) and int(number) > 1 and re.fullmatch(r"(?:[a-z]{3,})?", word):
        yield "words", _SMALL[int(number)], 0


def wrong(text: str, right: tuple[str, ...], question: str, random: Random) -> dict[str, str]:
    """`text` with one number made wrong, by what was done to it.

    A number that the question states stays, and no number comes out that stands in one of the
    `right` answers.
    """
    made: dict[str, str] = {}
    matches = [m for m in NUMBER.finditer(text) if not contains(question, m.group())]
    random.shuffle(matches)
    for match in matches:
        for way, put, longer in _changed(text, match, random):
            changed = text[: match.start()] + put + text[match.end() + longer :]
            core = put.split(" ")[0] if longer == 0 else put
            stated = any(core in NUMBER.findall(answer) or core in answer for answer in right)
            if way in ("sign", "scale", "unit") or not stated:
                made.setdefault(way, changed)
    for _, end, (day, month, _) in _dates(text):
        other = random.choice([name for name in MONTHS if name != month])
        changed = text[:end].replace(month, other) + text[end:]
        if changed not in right and not contains(question, f"{day} {month}"):
            made["month"] = changed
    known = {" ".join(answer.split()).lower() for answer in right}
    return {way: put for way, put in made.items() if " ".join(put.split()).lower() not in known}


def _changed(text: str, match: re.Match, random: Random) -> Iterator[tuple[str, str, int]]:
    """As `_rewritten`, with what is put being wrong."""
    number, after = match.group(), _AFTER.match(text, match.end())
    word = after.group(1) if after else ""
    length = len(after.group()) if after else 0
    space = text[match.end() : match.end() + 1].strip() == "" and length > 0
    digits, in_date = number.lstrip("-−"), _in_date(text, match)
    if not is_year(number, word) and not in_date:
        signed = digits if digits != number else f"-{number}"
        yield "sign", signed, 0
        if word in _SCALES:
            other = random.choice([name for name in _SCALES if name != word])
            yield "scale", f"{number} {other}", length
        elif len(digits.replace(",", "")) > 1 and "." not in digits:
            yield "scale", f"{number} {random.choice(('thousand', 'million', 'billion'))}", 0
        if moved := _point_moved(digits, random):
            yield "decimal point", moved, 0
        if word in _OF_UNIT:
            unit = random.choice([name for name in _OF_UNIT[word] if name != word])
            yield "unit", f"{number}{' ' if space else ''}{unit}", length
    plain = digits.replace(",", "")
    places = [place for place, sign in enumerate(plain) if sign.isdigit()]
    if len(places) > 1 and not in_date:
        place = random.choice(places[1:])
        shorter = plain[:place] + plain[place + 1 :]
        if not shorter.endswith("."):
            yield "digit dropped", _like(shorter, digits), 0
    place = random.choice(places[-2:])
    digit = random.choice([sign for sign in "123456789" if sign != plain[place]])
    if in_date and len(places) < 3:
        yield "digit replaced", str((int(plain) + random.randint(2, 9)) % 28 + 1), 0
    else:
        yield "digit replaced", _like(plain[:place] + digit + plain[place + 1 :], digits), 0
    unlike = [p for p in places[:-1] if p + 1 in places and plain[p] != plain[p + 1]]
    if len(places) > 2 and plain[0] != "0" and (unlike := [p for p in unlike if p > 0]):
        p = random.choice(unlike)
        swapped = plain[:p] + plain[p + 1] + plain[p] + plain[p + 2 :]
        yield "digits swapped", _like(swapped, digits), 0


def is_year(number: str, word: str = "") -> bool:
    """Four digits from 1000 to 2099 without a unit or scale behind them."""
    plain = re.fullmatch(r"1\d{3}|20\d{2}", number) is not None
    return plain and word not in ("%", "percent", "per cent") and word not in {*_SCALES, *_OF_UNIT}


def dated(text: str, random: Random) -> dict[str, str]:
    """A bare year, or month and year, said more exactly: still right against the reference."""
    if re.fullmatch(r"1\d{3}|20\d{2}", text.strip()):
        month = random.choice(MONTHS)
        return {
            "day and month": f"{random.randint(1, 28)} {month} {text.strip()}",
            "month": f"{month} {text.strip()}",
        }
    if re.fullmatch(rf"{_MONTH},? \d{{4}}", text.strip()):
        return {"day": f"{random.randint(1, 28)} {text.strip()}"}
    return {}


def _dates(text: str) -> list[tuple[int, int, tuple[int, str, str]]]:
    """(start, end, (day, month, year)) of the dates in words."""
    found = [
        (m.start(), m.end(), (int(m.group(1)), m.group(2), m.group(3)))
        for m in _DAY_FIRST.finditer(text)
    ]
    found += [
        (m.start(), m.end(), (int(m.group(2)), m.group(1), m.group(3)))
        for m in _MONTH_FIRST.finditer(text)
    ]
    return found


def _in_date(text: str, match: re.Match) -> bool:
    return any(start <= match.start() < end for start, end, _ in _dates(text))


def _point_moved(digits: str, random: Random) -> str | None:
    plain = digits.replace(",", "")
    if "." in plain:
        before, _, after = plain.partition(".")
        if len(after) > 1 or (before == "0" and after):
            return f"{int(before + after[0])}.{after[1:] or '0'}"
        return random.choice((f"{before}{after}", f"{before[:-1] or '0'}.{before[-1]}{after}"))
    if len(plain) < 2:
        return f"0.{plain}" if plain != "0" else None
    place = random.randint(1, len(plain) - 1)
    moved = f"{plain[:place]}.{plain[place:]}"
    return None if not moved.rpartition(".")[2].strip("0") else moved


def _like(plain: str, digits: str) -> str:
    """With thousands separated where the number had them."""
    if "," not in digits:
        return plain
    whole, point, rest = plain.partition(".")
    return f"{int(whole):,}{point}{rest}"
