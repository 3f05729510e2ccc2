"""What a server was found to take and not to take, so that each request need not find out anew."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rag_study.common import circumstances
from rag_study.models import server_errors
from rag_study.models.server_errors import Failure

_NEWER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_ALTERNATIVES = ("logprobs", "top_logprobs")
# How servers say that they take no turn of a system, or none but of user and assistant.
_SYSTEM = re.compile(
    r"system\b.*\b(role|message)|(role|message)s?\b.*\bsystem\b|roles must alternate|"
    r"developer instruction|messages\W{1,2}0\W{1,2}role|"
    r"(only|should be|must be|expected|one of)\b.{0,30}\buser\b.{0,20}\bassistant\b|"
    r"(start|begin)\w* with\b.{0,20}\buser\b|first (message|turn)\b.{0,40}\buser\b",
    re.IGNORECASE | re.DOTALL,
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """How requests differ from what was wanted.

    `values` replace a field (None: it is left out), `names` rename one; `alternatives` is the most
    that is asked for at a place; `counted`: in a chat, `logprobs` is their number (the older form).
    `merged`: the system's words open the first turn of the user.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    alternatives: int | None = None
    counted: bool = False
    merged: bool = False

    def applied(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        sent = dict(fields)
        if "top_logprobs" in sent and self.counted:
            sent["logprobs"] = sent.pop("top_logprobs")
        for name in _ALTERNATIVES:
            if self.alternatives is not None and not isinstance(sent.get(name, True), bool):
                sent[name] = min(sent[name], self.alternatives)
        for old, new in self.names.items():
            if old in sent:
                sent[new] = sent.pop(old)
        for name, value in self.values.items():
            if value is None:
                sent.pop(name, None)
            elif name in sent:
                sent[name] = value
        if self.merged and "messages" in sent:
            sent["messages"] = without_system(sent["messages"])
        return sent

    def after(self, failure: Failure, sent: Mapping[str, Any]) -> Changes | None:
        """What to try after a failure; None where its words point to nothing that could differ."""
        if _refuses_system(failure, sent) and not self.merged:
            return replace(self, merged=True)
        name = failure.refused_field(sent)
        if name is None:
            return None
        if name in _ALTERNATIVES:
            return self._fewer(failure, sent)
        value = server_errors.other_value(name, sent[name], failure.said)
        if value is not None and self.values.get(name) != value:
            return replace(self, values={**self.values, name: value})
        if name in _NEWER and name not in self.names.values():
            return replace(self, names={**self.names, name: _NEWER[name]})
        return replace(self, values={**self.values, name: None})

    def _fewer(self, failure: Failure, sent: Mapping[str, Any]) -> Changes | None:
        count = sent.get("top_logprobs", sent.get("logprobs"))
        if isinstance(count, bool) or count is None:
            return None
        number = server_errors.fewer(failure.said, count)
        if number:
            return replace(self, alternatives=number)
        if number is None and "top_logprobs" in sent:
            return replace(self, counted=True)
        return None

    def words(self) -> list[str]:
        """What differs, for people."""
        said = [
            f"`{name}` was left out" if value is None else f"`{name}` was set to {value}"
            for name, value in self.values.items()
        ]
        said += [f"`{new}` stands for `{old}`" for old, new in self.names.items()]
        if self.alternatives is not None:
            said.append(f"at most {self.alternatives} alternatives of a token were asked for")
        if self.counted:
            said.append("`logprobs` holds the number of alternatives")
        if self.merged:
            said.append("the system's words opened the user's first turn")
        return said


class Adaptation:
    """What is known of a server, for all requests to it; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, Changes] = {}

    def of(self, route: str) -> Changes:
        with self._lock:
            return self._changes.get(route, Changes())

    def keep(self, route: str, changes: Changes, server: str, reason: str) -> None:
        """A request with these changes was answered; `reason` is what was said of the one before.

        What is new is told once, in the log and in the run's provenance.
        """
        with self._lock:
            before = self._changes.get(route, Changes())
            if not reason or changes == before:
                return
            self._changes[route] = changes
        new = [words for words in changes.words() if words not in before.words()]
        if new:
            sentence = f"{server}: {'; '.join(new)}, since the server says: {reason}"
            if circumstances.remember(sentence):
                _log.warning(sentence)


def without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with the system's words at the beginning of the first turn of the user."""
    first, *rest = messages
    if first["role"] != "system" or not rest:
        return messages
    joined = {**rest[0], "content": f"{first['content']}\n\n{rest[0]['content']}"}
    return [joined, *rest[1:]]


def _refuses_system(failure: Failure, sent: Mapping[str, Any]) -> bool:
    messages = sent.get("messages") or [{}]
    return (
        messages[0].get("role") == "system"
        and not failure.of_the_server
        and _SYSTEM.search(failure.said) is not None
    )
