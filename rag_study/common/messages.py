"""What is wrong with a study file or with a notebook's parameters, for the person who wrote it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

_MARKS = {" ": "spaces", ".": "dots", "_": "underscores", "-": "hyphens"}


def explain(
    path: Path,
    error: ValidationError,
    keys_at: Callable[[list[Any]], list[str]],
    what: str = "the study file",
) -> str:
    """One message for all problems of a file; `keys_at` names the keys known at a place."""
    lines = [
        f"  {dotted(place)}: {text}" if place else f"  {text}"
        for place, text in problems(error, keys_at)
    ]
    return f"{path}: {what} has {_count(len(lines))}.\n" + "\n".join(lines)


def problems(
    error: ValidationError, keys_at: Callable[[list[Any]], list[str]]
) -> list[tuple[list[Any], str]]:
    """The place and the explanation of everything that is wrong."""
    explained = []
    for problem in error.errors():
        location = [part for part in problem["loc"] if part != "[key]"]
        value = problem.get("input")
        match problem["type"]:
            case "extra_forbidden":
                text = f"unknown key '{location[-1]}'{nearest(location[-1], keys_at(location))}"
            case "missing":
                text = f"the key '{location[-1]}' is required"
            case "literal_error":
                expected = problem["ctx"]["expected"]
                allowed = expected.replace("'", "").replace(" or ", ", ").split(", ")
                near = difflib.get_close_matches(str(value), allowed, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                text = f"{value!r} is not allowed; allowed: {expected}{hint}"
            case "value_error":
                text = str(problem["ctx"]["error"])
            case "model_type" | "dict_type":
                text = f"keys with values are needed, as in `key: value` (given: {value!r})"
            case "string_pattern_mismatch":
                text = f"{value!r}: {_allowed(problem['ctx']['pattern'])}"
            case _:
                text = f"{problem['msg'][0].lower()}{problem['msg'][1:]} (given: {value!r})"
        explained.append((location, text))
    return explained


def _allowed(pattern: str) -> str:
    """What may stand in a name, of which the pattern is `^[first][others]*$`."""
    first, others = re.findall(r"\[([^]]*)\]", pattern)
    parts = ["letters" if "A-Z" in others else "lower-case letters", "digits"]
    parts += [word for mark, word in _MARKS.items() if mark in re.sub(".-.", "", others)]
    begin = "a letter or digit" if "0-9" in first else "a letter"
    return f"use {', '.join(parts[:-1])} and {parts[-1]} only, and begin with {begin}"


def _count(number: int) -> str:
    return "one problem" if number == 1 else f"{number} problems"


def dotted(location: list[Any]) -> str:
    """A place in a file as people write it: `judges[0].model`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def nearest(key: Any, names: list[str]) -> str:
    """Name the key that was probably meant, else all that there are."""
    near = difflib.get_close_matches(str(key), names, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(names)}"
