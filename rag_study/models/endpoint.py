"""Models behind an OpenAI-compatible server: GPT-4, a vLLM server with adapters by name, ...

In a study file such a model is called `http://host:port/v1#model-name` (or https). The server is
asked by chat completions with the same messages as a local model. The key is read from the
environment when a request is sent, and is kept nowhere: not in a file, a log, an error or a repr.
"""

from __future__ import annotations

import html
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from rag_study.common import characters
from rag_study.common.errors import StudyError
from rag_study.models import prompts
from rag_study.models.names import is_endpoint

if TYPE_CHECKING:
    from openai import APIError, OpenAI

KEY_VARIABLE = "RAG_STUDY_API_KEY"
# Tools keep OpenAI's key here. A study file from elsewhere must not send it to another server.
OPENAI_KEY_VARIABLE, OPENAI_HOST = "OPENAI_API_KEY", "api.openai.com"
# How many requests are under way at once, how long a reply may take, and how often a request is
# tried again. The client's pauses begin at half a second and double up to 8 s, so that these bridge
# a server's restart of half a minute; it waits as long as a server asks, up to two minutes.
CONCURRENCY, TIMEOUT_S, MAX_RETRIES = 8, 120.0, 7
CHAT, COMPLETIONS = "chat/completions", "completions"
_KINDS = {CHAT: "chat completion", COMPLETIONS: "completion"}
# The client would send further headers: what machine this is, and what OPENAI_ORG_ID,
# OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS hold, whatever server it is.
_ATTEMPT = "x-stainless-retry-count"
_SENT_HEADERS = (
    "host",
    "connection",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "user-agent",
    "authorization",
    _ATTEMPT,
)
# Failures that another attempt may not meet; the client tries again after these.
_PASSING = (408, 409, 429)
# Shorter ones are words such as "none" or "EMPTY", which people set for servers that want no key.
_SHORTEST_SECRET = 8
# A server has a tokenizer of its own. These are what models in common use write between turns;
# what looks like <|...|> or [INST] is taken out in any case.
CONTROL = SimpleNamespace(
    all_special_tokens=("<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
)
_ADVICE = {
    400: "The server does not take this request. Is the prompt longer than the model's window?",
    401: "Set {key} in the environment to a key that this server takes.",
    403: "The key in {key} is not allowed to use this model here.",
    404: "Is the address right, and does the server have a model of this name?",
    429: "The quota of the key in {key} is used up.",
}


@dataclass(frozen=True)
class Completion:
    """What a server answered. Counts that it does not tell are None.

    `served_model` is the name that the server gives, which for "gpt-4" and the like says more.
    """

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    truncated: int | None
    served_model: str | None


@dataclass(frozen=True)
class Endpoint:
    """A model on a server. `url` ends before `/chat/completions`.

    At most `concurrency` requests are under way at once. Each may take `timeout_s` and is tried
    again up to `max_retries` times, with growing pauses that are never shorter than the server asks
    for. `key_variable` names the environment variable with the key; left out, it is
    RAG_STUDY_API_KEY, and for OpenAI's own server also OPENAI_API_KEY.
    """

    url: str
    model: str
    key_variable: str = ""
    concurrency: int = CONCURRENCY
    max_retries: int = MAX_RETRIES
    timeout_s: float = TIMEOUT_S

    @contextmanager
    def session(self) -> Iterator[tuple[OpenAI, ThreadPoolExecutor]]:
        """A client for `complete` and `ask`, and the threads to call them from.

        Whatever ends the block (the server, an interrupt): what is under way comes in, and nothing
        new is sent.
        """
        ended = threading.Event()
        with self._client(ended) as client, ThreadPoolExecutor(self.concurrency) as pool:
            try:
                yield client, pool
            finally:
                ended.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def complete(
        self,
        client: OpenAI,
        messages: list[dict[str, str]],
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Completion:
        """The answer to one chat. `temperature` 0 is the likeliest answer, which needs neither
        `top_p` nor `seed`. Raises StudyError as `ask`."""
        fields: dict[str, Any] = self.limit(max_new_tokens)
        fields["temperature"] = temperature
        if temperature:
            fields |= {"top_p": top_p, "seed": seed % 2**31}
        reply = self.ask(client, {"messages": messages, **fields})
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        # A model that refuses, or was cut while it still reasoned, has no content.
        message = choice["message"]
        reason = choice.get("finish_reason")
        return Completion(
            (message.get("content") or message.get("refusal") or "").strip(),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            truncated=None if reason is None else int(reason == "length"),
            served_model=reply.get("model"),
        )

    def ask(self, client: OpenAI, fields: dict[str, Any], route: str = CHAT) -> dict[str, Any]:
        """The reply to one request for a completion; `fields` are those besides the model.

        `route` is CHAT or COMPLETIONS. The reply has at least one choice, with a message of text
        or with text. Raises StudyError when the server refuses, replies with something else, or
        fails in all attempts.
        """
        import openai

        variable, key = self._key()
        authorization = f"Bearer {key}" if key else openai.Omit()
        try:
            text = client.post(
                f"/{route}",
                cast_to=str,  # it is checked here: the client takes a reply of any form
                body={"model": self.model, **fields},
                options={"headers": {"Authorization": authorization}},
            )
        except openai.APIError as error:
            message = self._failure(error, variable, key)
        else:
            return self._checked(text, route, key)
        # Out here, so that it does not carry the client's error: that one holds the key.
        raise StudyError(f"{self.name}: {message}")

    @property
    def name(self) -> str:
        return f"{self.url}#{self.model}"

    def limit(self, tokens: int, route: str = CHAT) -> dict[str, int]:
        """The field that limits the length of a reply.

        OpenAI's newer models know it by the new name only, most other servers by the old.
        """
        new = self._is_openai and route == CHAT
        return {"max_completion_tokens" if new else "max_tokens": tokens}

    @property
    def _is_openai(self) -> bool:
        return urlsplit(self.url).hostname == OPENAI_HOST

    def _key(self) -> tuple[str, str]:
        """(name of the variable, key); the key is "" where none is set."""
        names = [self.key_variable or KEY_VARIABLE]
        if self._is_openai and not self.key_variable:
            names.append(OPENAI_KEY_VARIABLE)
        for name in names:
            if key := os.environ.get(name, "").strip():
                # The HTTP library would refuse it too, with an error that shows it.
                if not re.fullmatch(r"[!-~]+", key):
                    raise StudyError(f"what {name} holds is no key: it has spaces or odd letters.")
                return name, key
        return " or ".join(names), ""

    def _client(self, ended: threading.Event) -> OpenAI:
        """The client. Once `ended` is set it sends nothing more, not even what is to be retried."""
        import openai

        def before(request: Any) -> None:
            if ended.is_set():
                raise StudyError(f"{self.name}: not tried again, since another request failed.")
            for name in [*request.headers]:
                if name not in _SENT_HEADERS:
                    del request.headers[name]

        def after(response: Any) -> None:
            # A used-up quota comes as 429 too, and does not pass by itself.
            if response.status_code == 429 and _is_quota(response.read().decode(errors="replace")):
                response.headers["x-should-retry"] = "false"

        try:
            http = openai.DefaultHttpxClient(
                follow_redirects=False, event_hooks={"request": [before], "response": [after]}
            )
        except (ValueError, ImportError):  # neither says where the address stands
            raise StudyError(
                f"{self.name}: the proxy that the environment names cannot be used. HTTP_PROXY, "
                "HTTPS_PROXY and ALL_PROXY must hold http://host:port, or be unset."
            ) from None
        # All three are said here because the client would look for them in the environment. The
        # key goes with each request instead (`ask`).
        return openai.OpenAI(
            base_url=self.url,
            api_key="unused",
            admin_api_key="",
            timeout=self.timeout_s,
            max_retries=self.max_retries,
            http_client=http,
        )

    def _failure(self, error: APIError, variable: str, key: str) -> str:
        """What to say of a request that failed for good."""
        import openai

        attempts = int(error.request.headers.get(_ATTEMPT, 0)) + 1
        if isinstance(error, openai.APITimeoutError):
            what = f"no answer within {self.timeout_s:g} s"
        elif isinstance(error, openai.APIStatusError):
            status, text = error.status_code, error.response.text
            what = f"status {status}: {_words_of(text, key)}"
            if _is_quota(text) or not (status in _PASSING or status >= 500):
                advice = _ADVICE.get(status, "Is this the address of an OpenAI-compatible server?")
                return f"{what}\n{advice.format(key=variable)}"
            wait_s = _retry_after(error.response.headers.get("Retry-After", ""))
            if wait_s and attempts <= self.max_retries:  # longer than the client waits
                return (
                    f"asks to wait for {wait_s / 60:.0f} minutes. What was answered is kept; run "
                    "the study again later."
                )
        else:
            cause = error.__cause__ or error
            what = f"cannot be reached ({_masked(str(cause) or type(cause).__name__, key)})"
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return f"{what} ({tried}). What was answered is kept; run the study again to go on."

    def _checked(self, text: str, route: str, key: str) -> dict[str, Any]:
        """A server's reply. Raises StudyError when it is no completion."""
        try:
            reply = characters.readable_value(json.loads(text))  # half an emoji, cut off
            choice = reply["choices"][0]
            message = choice["message"] if route == CHAT else {"content": choice["text"]}
            fine = all(isinstance(message.get(k), str | None) for k in ("content", "refusal"))
            fine = fine and isinstance(reply.get("usage"), dict | None)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            fine = False
        if not fine:
            raise StudyError(
                f"{self.name}: the reply is no {_KINDS[route]}: {_words_of(text, key)}\n"
                "Is this the address of an OpenAI-compatible server? It usually ends in /v1."
            )
        return _masked(reply, key) if len(key) >= _SHORTEST_SECRET else reply


def connect(name: str, **options: Any) -> Endpoint:
    """The endpoint of a model name `http://host:port/v1#model-name`; nothing is sent yet.

    `options` are those of `Endpoint`. Raises StudyError for a name of another form and for one
    that carries a password or key: names are written into files.
    """
    url, _, model = name.partition("#")
    try:
        parts = urlsplit(url)
        carries = [parts.username, parts.password, parts.query]
        fine = is_endpoint(name) and parts.port != 0 and not any(carries)
    except ValueError:  # no such port, or half an IPv6 address
        fine = False
    if not fine:
        raise StudyError(
            "the name of a model on a server has the form http://host:port/v1#model-name, without "
            f"user, password or query. Keys come from the environment ({KEY_VARIABLE})."
        )
    return Endpoint(url.rstrip("/"), model, **options)


def clean(text: str) -> str:
    """Text for a server, whose model's control tokens are not known, without the usual ones."""
    return prompts.clean(text, CONTROL)


def _words_of(text: str, key: str) -> str:
    """What a reply says, in one line: the message of its error where it has one."""
    try:
        content = json.loads(text)
        content = content.get("error", content.get("detail", content))
        text = str(content.get("message", content) if isinstance(content, dict) else content)
    except (ValueError, AttributeError):
        pass
    line = _masked(" ".join(text.split()), key)
    return f"{line[:200]}…" if len(line) > 200 else line or "(nothing)"


def _masked(value: Any, key: str) -> Any:
    """A text, or all texts in a value of JSON, without the key, which a server may repeat as it is,
    in capitals, or as JSON, an address or HTML spells it."""
    if not key:
        return value
    if isinstance(value, str):
        spelled = {key, json.dumps(key)[1:-1], quote(key, safe=""), html.escape(key)}
        spelled.add(key.replace("/", "\\/"))
        either = "|".join(
            re.escape(spelling) for spelling in sorted(spelled, key=len, reverse=True)
        )
        return re.sub(either, "***", value, flags=re.IGNORECASE)
    if isinstance(value, list):
        return [_masked(item, key) for item in value]
    if isinstance(value, dict):
        return {_masked(name, key): _masked(item, key) for name, item in value.items()}
    return value


def _is_quota(text: str) -> bool:
    return "insufficient_quota" in text


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header, which holds a number or a date (RFC 9110, 10.2.3)."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0
