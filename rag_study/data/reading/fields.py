"""Values out of a record of a source file, checked, with messages that name file and record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.common.text import words

# A longer answer is a passage: nobody gives it word for word, so it is no alternative to match.
MAX_ANSWER_WORDS = 20
LONG_ANSWERS = f"answers of more than {MAX_ANSWER_WORDS} words (for the judge, not for matching)"

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
    if not isinstance(row[key], list):
        raise StudyError(f"{where}: `{key}` must be a list, this is {kind(row[key])}.")
    return row[key]


def optional_items(row: dict[str, Any], key: str, where: str) -> list[Any]:
    """A list, empty when the key is missing or null. Raises StudyError when it is no list."""
    return [] if row.get(key) is None else items(row, key, where)


def text(row: dict[str, Any], key: str, where: str) -> str:
    """Required text, stripped. Raises StudyError when it is missing, empty, or no text."""
    value = optional_text(row, key, where)
    if not value:
        raise StudyError(f"{where}: `{key}` is missing or empty.")
    return value


def optional_text(row: dict[str, Any], key: str, where: str) -> str:
    """Text, stripped; "" when it is missing or null. Raises StudyError when it is no text."""
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # numeric ids are common
    if value is not None and not isinstance(value, str):
        raise StudyError(f"{where}: `{key}` must be text, this is {kind(value)}.")
    return value.strip() if value else ""


def texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Texts without the empty ones; one text counts as a list of one. StudyError otherwise."""
    value = row.get(key)
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(
        isinstance(item, str | int | float) and not isinstance(item, bool) for item in listed
    ):
        raise StudyError(f"{where}: `{key}` must be a list of texts.")
    return tuple(stripped for item in listed if (stripped := str(item).strip()))


def is_short(answer: str) -> bool:
    """Whether an answer is short enough to be one of several interchangeable ones."""
    return words(answer) <= MAX_ANSWER_WORDS


def require_questions(place: str, used: int, read: int, dropped: Mapping[str, int]) -> None:
    """Raise StudyError, with the reasons, when no question of a source can be used."""
    if used:
        return
    reasons = "; ".join(f"{reason}: {number:,}" for reason, number in dropped.items())
    raise StudyError(
        f"{place}: none of the {read:,} questions can be used ({reasons})."
        if read
        else f"{place}: there are no questions."
    )
