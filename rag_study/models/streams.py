"""What a server replied, as one value: also where it streams though nobody asked it to.

Some gateways always answer with a stream of events (server-sent events), each of which adds a few
letters. Nothing here sends anything.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

# Of a stream, which holds other signs that Python takes for the end of a line.
_LINE_END = re.compile(r"\r\n|\r|\n")
_END = "[DONE]"


def value_of(text: str) -> Any | None:
    """The JSON of a reply's text, or what the events of a stream come to; None for anything else.

    An error in a stream is all that is left of it. Some gateways keep a connection alive by lines
    of comment (": working on it"), also before a reply that is no stream.
    """
    lines = _LINE_END.split(text.lstrip("\ufeff"))
    spoken = "\n".join(line for line in lines if not line.startswith(":"))
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(spoken)
    return _together(spoken) if any(line.startswith("data:") for line in lines) else None


def _together(text: str) -> dict[str, Any] | None:
    """The chunks of a stream, put together into the reply that they are the parts of.

    A stream that ends before its answer does is an error that passes.
    """
    reply: dict[str, Any] = {}
    choice: dict[str, Any] = {}
    ended = False
    for event in _events(text):
        if event == _END:
            ended = True
            continue
        if not isinstance(event, dict):
            return None
        if event.get("error"):
            return {"error": event["error"]}
        reply |= {k: v for k, v in event.items() if k != "choices" and v is not None}
        for part in event.get("choices") or ():
            if isinstance(part, dict) and part.get("index") in (0, None):
                _add(choice, part)
    if not choice:
        return reply or None
    if not ended and "finish_reason" not in choice:
        return {"error": {"message": "the stream ended before the answer did", "code": 503}}
    if "text" not in choice:
        choice.setdefault("message", {"role": "assistant", "content": None})
    return {**reply, "choices": [choice]}


def _events(text: str) -> Iterator[Any]:
    """The value of each event, None for one that is none. An event ends with an empty line, or,
    where servers leave these out, with the line that makes it whole."""
    data = ""
    for line in [*_LINE_END.split(text), ""]:
        if line.startswith("data:"):
            data = f"{data}\n{line.removeprefix('data:')}".strip()
            with contextlib.suppress(ValueError):
                yield data if data == _END else json.loads(data)
                data = ""
        elif not line.strip() and data:
            yield None
            data = ""


def _add(choice: dict[str, Any], part: dict[str, Any]) -> None:
    """Adds what one chunk says of a choice, in place."""
    for name, value in part.items():
        if value is None:
            continue
        if name == "delta" and isinstance(value, dict):
            message = choice.setdefault("message", {})
            for key, piece in value.items():
                if piece is not None:
                    message[key] = _joined(message.get(key), piece, key == "role")
        elif name == "logprobs" and isinstance(value, dict):
            told = choice.setdefault("logprobs", {})
            for key, piece in value.items():
                if piece is not None:
                    told[key] = _joined(told.get(key), piece)
        else:
            choice[name] = _joined(choice.get(name), value, name != "text")


def _joined(before: Any, piece: Any, replaced: bool = False) -> Any:
    """Texts and lists grow; of everything else the last is right."""
    same = type(before) is type(piece) and isinstance(piece, str | list)
    return before + piece if same and not replaced else piece
