"""What servers reply, in the many forms in which they say it: texts, reasoning, log-probabilities.

OpenAI's form is the one that all claim. vLLM, llama.cpp, SGLang, TGI, OpenRouter, Azure, Together,
Ollama and others differ in where they put a text, what they leave null, and how they list tokens.
Nothing here sends anything.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rag_study.common.characters import readable

# Why a reply ended, in lower case.
_CUT = ("length", "max_tokens", "model_length", "max_output_tokens", "token_limit")
_FILTERED = (
    *("content_filter", "content-filter", "content_filtered", "filtered", "safety", "recitation"),
    *("prohibited_content", "blocklist", "spii", "sensitive", "guardrail_intervened", "blocked"),
    *("language", "image_safety"),
)
_FAILED = ("error", "abort", "failed")
_CALLED = ("tool_calls", "tool_call", "tool_use", "function_call")
# Where servers without OpenAI's `error` say what went wrong.
_ERRORS = ("error", "errors", "message", "detail", "details", "msg", "reason")
_ERRORS += ("error_msg", "error_message", "status_msg", "fault", "faultstring", "title")
_REASONING = ("reasoning_content", "reasoning", "thinking", "thinking_blocks", "reasoning_details")
# Kinds of parts of a message that are no text of the answer.
_REASONING_PARTS = ("reasoning", "thinking", "redacted_thinking", "reasoning_text")
_TEXTS = ("text", "content", "output_text", "value", "refusal", "thinking", "reasoning", "summary")
_TOKENS = ("token", "tok_str", "decoded_token", "text", "token_str")
_LOGARITHMS, _PROBABILITIES = ("logprob", "log_prob", "logprobs"), ("prob", "probability", "p")
_ALTERNATIVES = ("top_logprobs", "top_probs", "probs", "top_tokens", "top", "alternatives")


class Place(NamedTuple):
    """A token that a server wrote, and what might stand in its place: (text, natural log-prob)."""

    token: str
    alternatives: tuple[tuple[str, float], ...]


def choice_of(reply: Any) -> dict[str, Any] | None:
    """The first choice of a reply; None for what is no completion at all."""
    choices = reply.get("choices") if isinstance(reply, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        return None
    fine = isinstance(first.get("message"), dict | str) or isinstance(first.get("text"), str | list)
    # Of an answer that was withheld, or cut before its first word, some send the reason only.
    ended = "delta" not in first and _reason(first) in (*_CUT, *_FILTERED, *_FAILED)
    return first if fine or ended or _error_in(first) is not None else None


def vectors_of(reply: Any) -> list[list[float]] | None:
    """The vectors of a reply, in the order of the texts; None for what holds none."""
    data = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(data, list) or not data:
        return None
    entries = [entry for entry in data if isinstance(entry, dict)]
    numbered = all(isinstance(entry.get("index"), int) for entry in entries)
    entries = sorted(entries, key=lambda entry: entry["index"]) if numbered else entries
    vectors = [entry.get("embedding") for entry in entries]
    fine = all(
        isinstance(vector, list) and vector and all(type(n) in (int, float) for n in vector)
        for vector in vectors
    )
    return vectors if fine and len(vectors) == len(data) else None


def text_of(choice: Mapping[str, Any]) -> str:
    """The answer in a choice of a chat or a completion; "" where it holds none.

    A string, a list of parts (reasoning is no part of it), null, or a field `text`; of a model that
    refuses, the words of its refusal.
    """
    message = choice.get("message")
    if isinstance(message, str):
        return readable(message)
    places = [choice.get("text")]
    if isinstance(message, dict):
        places = [message.get("content"), message.get("text"), *places, message.get("refusal")]
    return readable(next((text for text in map(_joined, places) if text.strip()), ""))


def reasoning_of(choice: Mapping[str, Any]) -> str:
    """What a model wrote for itself before its answer, where the server keeps it apart; else ""."""
    message = choice.get("message")
    for holder in (message, choice):
        if not isinstance(holder, dict):
            continue
        for name in _REASONING:
            if text := _joined(holder.get(name), reasoning=True).strip():
                return readable(text)
    content = message.get("content") if isinstance(message, dict) else None
    parts = [part for part in content if _is_reasoning(part)] if isinstance(content, list) else []
    return readable(_joined(parts, reasoning=True).strip())


def cut_at_limit(choice: Mapping[str, Any]) -> int | None:
    """1 for a reply that ended at its limit of tokens, 0 for another; None where it is not told."""
    reason = _reason(choice)
    return None if reason is None else int(reason in _CUT)


def withheld(choice: Mapping[str, Any]) -> str | None:
    """Why a reply holds no answer though one was asked for (a filter, a failure); None if it does.

    A filter also leaves the beginning of an answer: that is none either. Nor is a call of a tool,
    for which servers take what only looks like one.
    """
    if (error := _failure_in(choice)) is not None:
        return words_of_error(error)
    if _reason(choice) in _FILTERED:
        return f"a filter withheld the answer (finish_reason {choice['finish_reason']})"
    message = choice.get("message")
    calls = isinstance(message, dict) and (
        message.get("tool_calls") or message.get("function_call")
    )
    if (calls or _reason(choice) in _CALLED) and not text_of(choice).strip():
        return "in place of an answer the server gives the call of a tool"
    return None


def count(usage: Any, name: str) -> int | None:
    """A number of tokens in a reply's `usage`; None where it holds none."""
    value = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if value >= 0 else None


# --- Errors ----------------------------------------------------------------------------------


def error_of(reply: Any) -> Any | None:
    """The error in a reply that says it was fine (status 200), or None.

    Where there is no choice it may stand as in FastAPI's (`detail`), vLLM's of old (`object`) or in
    those of gateways (`code` and `message`, `errors`, `base_resp`).
    """
    if not isinstance(reply, dict):
        return None
    if reply.get("choices"):
        choice = choice_of(reply)
        return None if choice is None else _failure_in(choice)
    if (error := _error_in(reply)) is not None:
        return error
    inner = reply.get("base_resp")
    reply = inner if isinstance(inner, dict) else reply
    places = (reply.get(name) for name in _ERRORS)
    # A dictionary with these names may be something else: the message of another kind of chat.
    return reply if any(isinstance(place, str | list) and place for place in places) else None


def words_of_error(error: Any) -> str:
    """What an error says, in words: its message, where it has one."""
    if isinstance(error, list):
        return "; ".join(map(words_of_error, error))
    if not isinstance(error, dict):
        return str(error)
    for name in _ERRORS:
        if error.get(name):
            words = words_of_error(error[name])
            where = error.get("loc")
            return f"{words} ({'.'.join(map(str, where))})" if isinstance(where, list) else words
    return str(error)


def _error_in(holder: Mapping[str, Any]) -> Any | None:
    error = holder.get("error")
    return error if error not in (None, "", {}, [], False) else None


def _failure_in(choice: Mapping[str, Any]) -> Any | None:
    """What went wrong while a choice was made; None where nothing did."""
    if (error := _error_in(choice)) is not None:
        return error
    if _reason(choice) in _FAILED:
        how = f"the server failed while it answered (finish_reason {choice['finish_reason']})"
        return {"message": how, "code": 503}
    return None


def _reason(choice: Mapping[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    return reason.lower() if isinstance(reason, str) and reason else None


# --- Texts -----------------------------------------------------------------------------------


def _joined(value: Any, reasoning: bool = False) -> str:
    """A text that may be told as a string, as parts, or in an object; `reasoning` is left out
    unless it is what is asked for."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_joined(part, reasoning) for part in value)
    if not isinstance(value, dict) or (_is_reasoning(value) and not reasoning):
        return ""
    if "parts" in value:
        return _joined(value["parts"], reasoning)
    return next((t for t in (_joined(value.get(n), reasoning) for n in _TEXTS) if t), "")


def _is_reasoning(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in _REASONING_PARTS


# --- Log-probabilities -----------------------------------------------------------------------


def places_of(reply: Mapping[str, Any]) -> list[Place]:
    """The tokens of a reply with their alternatives, in their order; [] where it tells none.

    Read are OpenAI's form for chats, the older one for completions (a mapping for each place),
    llama.cpp's `completion_probabilities`, and probabilities in place of logarithms. An alternative
    without a number (null, NaN) is left out; one of probability 0 is kept as minus infinity.
    """
    choice = choice_of(reply) or {}
    message = choice.get("message")
    for holder in (choice, message if isinstance(message, dict) else {}, reply):
        for name in ("logprobs", "completion_probabilities"):
            if places := [*_places(holder.get(name))]:
                return places
    return []


def _places(told: Any) -> Iterator[Place]:
    if isinstance(told, dict):
        if isinstance(told.get("content"), list | dict):
            yield from _places(told["content"])
            return
        if isinstance(told.get("top_logprobs"), list):
            yield from _older(told)
            return
    if not isinstance(told, list):
        return
    for entry in told:
        if isinstance(entry, list):  # the alternatives alone
            entry = {"top_logprobs": entry}
        if not isinstance(entry, dict):
            continue
        listed = next((entry[name] for name in _ALTERNATIVES if entry.get(name)), None)
        if listed is None and _token(entry) is None and _logarithm(entry) is None:
            listed = entry
        alternatives = [*_alternatives(listed)]
        token = _token(entry)
        if alternatives:
            yield _place(token, _logarithm(entry), alternatives)


def _older(told: Mapping[str, Any]) -> Iterator[Place]:
    """Places of the form with parallel lists."""
    tokens, values = told.get("tokens"), told.get("token_logprobs")
    for number, listed in enumerate(told["top_logprobs"]):
        names = _at(told.get("top_tokens"), number)
        if isinstance(names, list) and isinstance(listed, list):
            listed = [*zip(names, listed, strict=False)]
        alternatives = [*_alternatives(listed)]
        token = _at(tokens, number)
        token = token if isinstance(token, str) else None
        if alternatives:
            yield _place(token, _number(_at(values, number)), alternatives)


def _place(
    token: str | None, value: float | None, alternatives: Sequence[tuple[str, float]]
) -> Place:
    """A place of which the token that was written may stand among the alternatives, or not."""
    listed = [*dict.fromkeys(alternatives)]
    if token is not None and value is not None:
        # It is the same token where it is spelt alike, or without its blank and as likely; what is
        # rounded may differ, and both together be likelier than certain.
        total = sum(math.exp(other) for _, other in listed) + math.exp(value)
        near = 1e-6 if total <= 1 else 0.01
        there = any(
            text == token or (plain(text) == plain(token) and abs(other - value) < near)
            for text, other in listed
        )
        listed += [] if there else [(token, value)]
    listed.sort(key=lambda pair: -pair[1])
    return Place(listed[0][0] if token is None else token, tuple(listed))


def _alternatives(listed: Any) -> Iterator[tuple[str, float]]:
    if isinstance(listed, dict) and isinstance(listed.get("tokens"), list):  # lists side by side
        values = next((listed[n] for n in _LOGARITHMS if isinstance(listed.get(n), list)), [])
        values = values or listed.get("token_logprobs") or []
        listed = [*zip(listed["tokens"], values, strict=False)]
    if isinstance(listed, dict):
        for name, value in listed.items():
            inner = value if isinstance(value, dict) else {"logprob": value}
            entry = {"token": name, **inner}
            token = inner.get("decoded_token") or _token(entry)
            number = _logarithm(entry)
            if isinstance(token, str) and number is not None:
                yield token, number
    elif isinstance(listed, list):
        for entry in listed:
            if isinstance(entry, list | tuple) and len(entry) >= 2:
                # SGLang: (value, id, text); others: (text, value).
                texts = [part for part in entry if isinstance(part, str)]
                value = next((part for part in entry if not isinstance(part, str)), None)
                entry = {"token": texts[0] if texts else None, "logprob": value}
            if isinstance(entry, dict):
                token, number = _token(entry), _logarithm(entry)
                if token is not None and number is not None:
                    yield token, number


def _token(entry: Mapping[str, Any]) -> str | None:
    """A token's text; from its bytes where the text is none, or only says the token's number."""
    text = next((entry[name] for name in _TOKENS if isinstance(entry.get(name), str)), None)
    if not text or "\ufffd" in text or text.startswith("token_id:"):
        told = entry.get("bytes")
        if isinstance(told, list) and told and all(b in range(256) for b in told):
            return bytes(told).decode("utf-8", "replace")
    return text


def _logarithm(entry: Mapping[str, Any]) -> float | None:
    for name in _LOGARITHMS:
        if name in entry and (value := _number(entry[name])) is not None:
            return value
    for name in _PROBABILITIES:
        value = entry.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1.001:
            return math.log(value) if value > 0 else -math.inf
    return None


def _number(value: Any) -> float | None:
    """A logarithm of a probability; None for what can be none. "-inf" is spelt as a word, too."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return min(number, 0.0) if number < 1e-3 else None  # also none of NaN and +inf


def _at(values: Any, number: int) -> Any:
    return values[number] if isinstance(values, list) and number < len(values) else None


def plain(token: str) -> str:
    """A token as people write it, without blanks around it. Vocabularies spell a blank as \u2581 or
    \u0120, a new line as \u010a, a byte as <0x35>."""
    if token.startswith("<0x") and token.endswith(">"):
        with contextlib.suppress(ValueError):
            token = chr(int(token[1:-1], 16))
    for sign in ("\u2581", "\u0120", "\u010a", "\u0109"):
        token = token.replace(sign, " ")
    return token.strip()
