"""The answers of TAT-QA: spans, several spans, numbers with a scale, counts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.data.reading import fields

_POWER = {"thousand": 3, "million": 6, "billion": 9}
_DIGITS = r"\d[\d,]*(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(_DIGITS)
# A number as it stands in a table: "$ 93,662", "(2,088)", "US$1.5", "(9.4%)", "−298".
_CELL = re.compile(
    rf"(?P<minus>[-−–(]?)\s*(?P<currency>[A-Z]{{0,3}}[$€£¥])?\s*(?P<inner>[-−–(]?)\s*"
    rf"(?P<digits>{_DIGITS})\s*%?\s*\)?\s*%?"
)
_COUNTS = "zero one two three four five six seven eight nine ten eleven twelve".split()


def answer(qa: dict[str, Any], where: str) -> dict[str, Any] | None:
    """The answer as fields of a `Question`; None where the source has none.

    Raises StudyError for an answer that is neither text, number nor a list of these.
    """
    value = qa.get("answer")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = [_plain(Decimal(str(value)))]
    if isinstance(value, dict | bool):
        raise StudyError(f"{where}: `answer` must be text, a number or a list of texts.")
    spans = fields.texts({"answer": value}, "answer", where)
    if not spans:
        return None
    scale = fields.optional_text(qa, "scale", where)
    wordings = [forms(span, scale) for span in spans]
    if fields.optional_text(qa, "answer_type", where) == "count":
        wordings = [_count_forms(span) for span in spans]
    if len(spans) == 1:
        return _one(wordings[0])
    reference = "; ".join(wording[0] for wording in wordings)
    if not all(fields.is_short(span) for span in spans):
        return {"answers": (), "reference": reference, "answer_type": "summary"}
    return {
        "answers": (reference,) if fields.is_short(reference) else (),
        "reference": reference,
        "answer_type": "list",
        "key_points": tuple(dict.fromkeys(wordings)),
    }


def forms(text: str, scale: str) -> tuple[str, ...]:
    """Ways to write a number with its scale, the fullest first; other text is left as it is.

    forms("(2,088)", "million") -> "-2,088 million", "-2,088", "-2,088,000,000", "(2,088)".
    """
    match = _CELL.fullmatch(text)
    if not match or not scale:
        return (text,)
    sign = "-" if match["minus"] or match["inner"] else ""
    digits, currency = match["digits"], match["currency"] or ""
    if scale == "percent":
        digits = f"{sign}{digits}"
        return tuple(dict.fromkeys((f"{digits}%", f"{digits} percent", digits, text)))
    number = f"{sign}{currency}{digits}"
    spellings = [f"{number} {scale}", f"{sign}{digits} {scale}", number, f"{sign}{digits}"]
    if scale in _POWER:
        full = Decimal(digits.replace(",", "")).scaleb(_POWER[scale])
        spellings += [f"{sign}{int(full):,}"] if full == int(full) else []
    return tuple(dict.fromkeys((*spellings, text)))


def numbers(text: str) -> set[str]:
    """The numbers in a text in one plain form, without sign: "1,320.50 - 86" -> 1320.5, 86."""
    return {
        _plain(Decimal(number.replace(",", ""))).replace(",", "")
        for number in _NUMBER.findall(text)
    }


def _one(wordings: tuple[str, ...]) -> dict[str, Any]:
    if fields.is_short(wordings[0]):
        return {"answers": wordings, "answer_type": "factoid"}
    return {"answers": (), "reference": wordings[0], "answer_type": "summary"}


def _count_forms(text: str) -> tuple[str, ...]:
    is_named = text.isdecimal() and int(text) < len(_COUNTS)
    return (text, _COUNTS[int(text)]) if is_named else (text,)


def _plain(number: Decimal) -> str:
    """With commas and without zeros at the end: 1234.50 -> "1,234.5"."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
