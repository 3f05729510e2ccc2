"""Values out of a record of a source file, checked, with messages that name file and record."""

from __future__ import annotations

import ast
import datetime
import io
import json
import math
import tokenize
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rag_study.common.characters import readable
from rag_study.common.errors import StudyError
from rag_study.common.text import plain, words
from rag_study.common.wording import counted

# A longer answer is a passage: nobody gives it word for word, so it is no alternative to match.
MAX_ANSWER_WORDS = 20
LONG_ANSWERS = f"answers of more than {MAX_ANSWER_WORDS} words (for the judge, not for matching)"

# What pandas prints for a value that is not there.
_MISSING_MARKS = ("NaT", "<NA>")

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return _NAMES.get(type(value), f"a {type(value).__name__}")


def mapping(value: Any, where: str) -> dict[str, Any]:
    """The value as an object. Raises StudyError for anything else."""
    if not isinstance(value, dict):
        raise StudyError(f"{where}: must be a JSON object, this is {kind(value)}.")
    return value


def items(row: dict[str, Any], key: str, where: str) -> list[Any]:
    """A required list (it may be empty). Raises StudyError when it is missing or no list."""
    if key not in row:
        raise StudyError(f"{where}: `{key}` is missing.")
    if not isinstance(row[key], list | tuple):
        raise StudyError(f"{where}: `{key}` must be a list, this is {kind(row[key])}.")
    return list(row[key])


def optional_items(row: dict[str, Any], key: str, where: str) -> list[Any]:
    """A list, empty when the key is missing or null. Raises StudyError when it is no list."""
    return [] if is_missing(row.get(key)) else items(row, key, where)


def is_missing(value: Any) -> bool:
    """Whether there is no value: null, or what pandas writes for it (NaN, NaT, <NA>).

    The text "nan" is a value: it may be an answer.
    """
    if isinstance(value, str):
        return value.strip() in _MISSING_MARKS
    # NaN and NaT are the values that differ from themselves.
    return value is None or (isinstance(value, float | datetime.date) and value != value)


def text(row: dict[str, Any], key: str, where: str) -> str:
    """Required text, stripped. Raises StudyError when it is missing, empty, or no text."""
    value = optional_text(row, key, where)
    if not value:
        raise StudyError(f"{where}: `{key}` is missing or empty.")
    return value


def optional_text(row: dict[str, Any], key: str, where: str) -> str:
    """Text, stripped; "" when it is missing (`is_missing`). Numbers and dates are taken as text,
    whole ones without the ".0" of pandas. Raises StudyError for everything else."""
    return _as_text(row.get(key), f"{where}: `{key}` must be text")


def identifier(row: dict[str, Any], key: str, where: str) -> str:
    """As `text`, in Unicode's form NFC: names of files come decomposed from some systems, and two
    ids that look alike would be two."""
    return unicodedata.normalize("NFC", text(row, key, where))


def optional_identifier(row: dict[str, Any], key: str, where: str) -> str | None:
    """As `identifier`; None when it is missing."""
    return unicodedata.normalize("NFC", optional_text(row, key, where)) or None


def texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Texts without the missing ones; one text counts as a list of one, and one that is a printed
    list ("['a', 'b']") as that list. Raises StudyError for everything else."""
    value = row.get(key)
    if is_missing(value):
        return ()
    if isinstance(value, str):
        listed = printed_list(value)
        value = [value] if listed is None else listed
    elif not isinstance(value, list | tuple):
        value = [value]
    problem = f"{where}: `{key}` must be a list of texts"
    return tuple(item for item in (_as_text(item, problem) for item in value) if item)


def printed_list(value: str, *, numbers: bool = False) -> list[Any] | None:
    """The list that a text is the JSON, Python or numpy form of, as tables keep lists; else None.

    Only with a text in it, or with `numbers`: "[1, 2]" may be an answer.
    """
    value = value.strip()
    if not (value.startswith("[") and value.endswith("]")):
        return None
    if value == "[]":
        return []
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        listed = _python_list(value)
    kinds = str | int | float if numbers else str
    if isinstance(listed, list) and any(isinstance(item, kinds) for item in _leaves(listed)):
        return listed
    return None


def _python_list(value: str) -> Any:
    try:
        listed = ast.literal_eval(value)
        tokens = tokenize.generate_tokens(io.StringIO(value).readline)
        strings = [ast.literal_eval(t.string) for t in tokens if t.type == tokenize.STRING]
    except (ValueError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        return None
    # numpy prints no commas, and Python would join the texts: ['a' 'b'].
    leaves = _leaves(listed)
    if isinstance(listed, list) and sum(isinstance(i, str) for i in leaves) != len(strings):
        return strings
    return listed


def _leaves(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        return [value]
    return [leaf for item in value for leaf in _leaves(item)]


def _as_text(value: Any, problem: str) -> str:
    """A value as text, stripped; `problem` begins the message for one that is none."""
    if is_missing(value):
        return ""
    if isinstance(value, str):
        value = readable(value).strip()
        return value if plain(value).strip() else ""  # marks of no width are no text
    if isinstance(value, bool):
        said = "true" if value else "false"
        raise StudyError(f'{problem}, this is {said}: write "yes" or "no", or what is meant.')
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StudyError(f"{problem}, this is a number without end (Infinity).")
        # pandas has no whole numbers in a column with gaps, and writes 2020.0.
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int | Decimal):
        try:
            return str(value)
        except ValueError:  # Python prints no numbers of more than 4,300 digits
            raise StudyError(f"{problem}, this is a number of thousands of digits.") from None
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise StudyError(f"{problem}, this is {kind(value)}.")


def is_short(answer: str) -> bool:
    """Whether an answer is short enough to be one of several interchangeable ones."""
    return words(answer) <= MAX_ANSWER_WORDS


def require_questions(place: str, used: int, read: int, dropped: Mapping[str, int]) -> None:
    """Raise StudyError, with the reasons, when no question of a source can be used."""
    if used:
        return
    reasons = "; ".join(f"{reason}: {number:,}" for reason, number in dropped.items())
    raise StudyError(
        f"{place}: none of {counted(read, 'question')} can be used ({reasons})."
        if read
        else f"{place}: there are no questions."
    )
