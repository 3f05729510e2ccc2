"""What servers refuse, and why, told from the words of their errors. Nothing here sends anything.

There is no common list of error codes. What counts is what each of many servers writes when a
prompt is too long, when a filter steps in, or when it does not know a field of a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import replies, streams

# Failures that another attempt may not meet; the client tries again after these and after 5xx.
PASSING = (408, 409, 429)
# Of whoever asks or of the address, never of one question.
_NOT_OF_A_QUESTION = (401, 402, 404, 405, 407, 410, 429)
# Fields that may be left out of a request, those first that change an answer least.
OPTIONAL = (
    *("stop", "seed", "top_p", "top_logprobs", "logprobs"),
    *("max_tokens", "max_completion_tokens", "temperature"),
)
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|maximum context|max[a-z]*[ _]model[ _]len|"
    r"too many (input |prompt )?tokens|(prompt|input|message|request|sequence)s?\b.{0,40}"
    r"\btoo (long|large)|too long|reduce the length|string_above_max_length|"
    r"(input|prompt)[ _](token )?(length|tokens?)\b.{0,60}(exceed|larger|longer|greater|more than)|"
    r"exceed\w*\b.{0,40}(context|max\w* (input|prompt|sequence)|input token|token limit)|"
    r"longer than the (model|max)|`inputs` tokens|max_input_tokens",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[ _-]?(filter|management|polic|moderation)|responsible ?ai|"
    r"safety[ _-]?(system|filter|setting|polic|check)|moderation|flagged|"
    r"(prohibited|inappropriate|sensitive|harmful|unsafe|disallowed)[ _-]?"
    r"(content|input|prompt|word|text)|"
    r"(prompt|input|content|request|response|output)\b.{0,30}\bblocked|guardrail|"
    r"violat\w+\b.{0,40}polic|data_inspection_failed|jailbreak",
    re.IGNORECASE,
)
_POSITIVE = re.compile(
    r"positive|greater than|> ?0|larger than|above 0|at least 0?\.|>= ?0?\.", re.IGNORECASE
)
_AT_LEAST = re.compile(r"minimum|at least|>=|below|greater than or equal", re.IGNORECASE)


class QuestionRefused(StudyError):
    """A server takes other requests, and not this one; the message says why.

    `too_long`: the prompt does not fit into the window of its model.
    """

    def __init__(self, reason: str, too_long: bool = False):
        super().__init__(reason)
        self.too_long = too_long


@dataclass(frozen=True)
class Failure:
    """A request that came to nothing in all its attempts.

    `status` is None where there was no reply, or none that is a completion; `said` holds the error
    in the server's words, `told` all of it for a person, what to do included. `final`: no other
    request would be answered either.
    """

    told: str
    status: int | None = None
    said: str = ""
    parameter: str = ""
    final: bool = False

    @property
    def too_long(self) -> bool:
        if self.status in _NOT_OF_A_QUESTION or self.status is None:
            return False
        return self.status == 413 or _TOO_LONG.search(self.said) is not None

    @property
    def filtered(self) -> bool:
        return self.status not in _NOT_OF_A_QUESTION and _FILTERED.search(self.said) is not None

    @property
    def of_the_server(self) -> bool:
        """Whether it is plain that all requests fail: no key, no such model, nobody there."""
        return self.final or self.status in _NOT_OF_A_QUESTION or 300 <= (self.status or 0) < 400

    def refused_field(self, sent: Mapping[str, Any]) -> str | None:
        """The field of the request that the server does not take as it is, where it names one."""
        if self.status in (401, 402, 403, 429) or self.too_long or self.filtered:
            return None
        there = [name for name in OPTIONAL if name in sent]
        named = [name for name in there if re.search(rf"(?<!\w){name}(?!\w)", self.said)]
        return self.parameter if self.parameter in there else next(iter(named), None)


def error_in(text: str) -> tuple[str, str, str]:
    """(what an error says, its code or "", the field of the request that it is about or "") of the
    text of a reply."""
    content = streams.value_of(text)
    if content is None:
        return " ".join(text.split()), "", ""
    error = replies.error_of(content)
    error = content if error is None else error
    if isinstance(error, dict) and isinstance(error.get("detail"), list):
        error = error["detail"]
    words = " ".join(replies.words_of_error(error).split())
    inner = error if isinstance(error, dict) else {}
    code = " ".join(str(inner[k]) for k in ("code", "type") if isinstance(inner.get(k), str))
    parameter = inner.get("param")
    if isinstance(error, list) and error and isinstance(error[0], dict):
        where = error[0].get("loc") or ()
        parameter = next((part for part in reversed(where) if isinstance(part, str)), None)
    return words, code, parameter if isinstance(parameter, str) else ""


def status_of_error(error: Any) -> int:
    """The status that belongs to an error which came with status 200."""
    named = error if isinstance(error, dict) else {}
    codes = (named.get(name) for name in ("code", "status", "status_code", "error_code"))
    code = next((code for code in codes if code is not None), None)
    words = replies.words_of_error(error)
    if isinstance(code, int | str) and re.fullmatch(r"[45]\d\d", str(code)):
        return int(code)
    kind = error.get("type") if isinstance(error, dict) else ""
    everything = f"{code} {kind} {words}".lower()
    if _TOO_LONG.search(everything) or _FILTERED.search(everything):
        return 400
    for status, pattern in (
        (401, r"api[ _]?key|unauthor|authenticat|log ?in|access denied"),
        (429, r"rate.?limit|quota|too many requests"),
        (503, r"overload|unavailable|timeout|timed out|internal|server_error|busy|try again"),
        (404, r"model.{0,60}(not found|does not exist)|no such model"),
    ):
        if re.search(pattern, everything):
            return status
    return 400


def fewer(said: str, now: int) -> int | None:
    """How many alternatives to ask for instead of `now`, by the words of an error; None: no less.

    The largest smaller number that it names is the limit, else OpenAI's old one, five.
    """
    numbers = [int(n) for n in re.findall(r"(?<![\w.-])\d{1,3}(?![\w.]*\d|\w)", said)]
    if smaller := [number for number in numbers if number < now]:
        return max(smaller)
    return 5 if now > 5 else None


def other_value(name: str, value: Any, said: str) -> Any | None:
    """A value of a field that a server takes in place of the refused one, by its words; or None.

    A temperature of 0 becomes a very low one where it must be positive; a limit of tokens the least
    that is allowed.
    """
    if name == "temperature" and value == 0 and _POSITIVE.search(said):
        return 0.01
    if name.startswith("max_") and _AT_LEAST.search(said):
        least = [int(n) for n in re.findall(r"\b\d{1,3}\b", said) if value < int(n) <= 64]
        return min(least, default=None)
    return None
