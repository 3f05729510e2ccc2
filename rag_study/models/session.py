"""Questions to a model on a server: what is sent, what comes back, and what is made of failures.

A failure is one of four things. It passes: the client tries again. The server does not take a field
of the request: it is left out or changed, and that is recorded. The server takes other requests,
and not this one: `QuestionRefused`, and the study goes on without this answer. Or no request would
be answered (no key, nobody there): StudyError, and the study ends with a sentence.
"""

from __future__ import annotations

import json
import math
import os
import ssl
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from rag_study.common import circumstances, secrets
from rag_study.common.characters import readable, readable_value
from rag_study.common.errors import StudyError
from rag_study.common.wording import counted
from rag_study.models import replies, server_errors, streams
from rag_study.models.endpoint import CHAT, COMPLETIONS, EMBEDDINGS, Endpoint
from rag_study.models.server_errors import PASSING, Failure, QuestionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openai import APIError, OpenAI

_KINDS = {CHAT: "chat completion", COMPLETIONS: "completion", EMBEDDINGS: "list of embeddings"}
# The client would send further headers: what machine this is, and what OPENAI_ORG_ID,
# OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS hold, whatever server it is.
_ATTEMPT = "x-stainless-retry-count"
SENT_HEADERS = (
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
# So many fields a request may have to do without before it is given up.
_MOST_CHANGES = 12
# Asked where a question is refused, to learn whether any would be answered.
_CONTROL_QUESTION = "What is two plus two?"
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


class Session:
    """A client and the threads to ask from; a context manager.

    Whatever ends it (the server, an interrupt): what is under way comes in, and nothing new is
    sent.
    """

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint
        self._ended = threading.Event()
        self._variable, self._key = endpoint.key()
        self._client = self._connected()
        self._pool = ThreadPoolExecutor(endpoint.concurrency)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: Any) -> None:
        self._ended.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future:
        """The result to come of a task that asks, run in one of the threads."""
        return self._pool.submit(task, *arguments)

    def complete(
        self,
        messages: list[dict[str, str]],
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Completion:
        """The answer to one chat. `temperature` 0 is the likeliest answer, which needs neither
        `top_p` nor `seed`. Raises as `ask`."""
        fields: dict[str, Any] = self.endpoint.limit(max_new_tokens)
        fields["temperature"] = temperature
        if temperature:
            fields |= {"top_p": top_p, "seed": seed % 2**31}
        reply = self.ask({"messages": messages, **fields})
        choice, usage, model = reply["choices"][0], reply.get("usage"), reply.get("model")
        return Completion(
            replies.text_of(choice).strip(),
            prompt_tokens=replies.count(usage, "prompt_tokens"),
            completion_tokens=replies.count(usage, "completion_tokens"),
            truncated=replies.cut_at_limit(choice),
            served_model=readable(model) if isinstance(model, str) else None,
        )

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of some texts, in their order, as long as the server's model makes them.

        Raises QuestionRefused where they are too long for it, StudyError for every other failure.
        """
        reply = self._post({"input": list(texts)}, EMBEDDINGS)
        if isinstance(reply, Failure):
            if reply.too_long:
                raise QuestionRefused(_shortened(reply.said), too_long=True)
            raise StudyError(f"{self.endpoint.name}: {reply.told}")
        vectors = replies.vectors_of(reply)
        if len(vectors) != len(texts) or len({*map(len, vectors)}) > 1:
            raise StudyError(
                f"{self.endpoint.name}: {len(texts)} texts were sent and {len(vectors)} vectors "
                "came back, or vectors of several lengths. Does this server embed lists of texts?"
            )
        return vectors

    def ask(self, fields: dict[str, Any], route: str = CHAT) -> dict[str, Any]:
        """The reply to one request for a completion; `fields` are those besides the model.

        `route` is CHAT or COMPLETIONS. The reply has a choice for `replies`. Raises QuestionRefused
        where the server refuses this request alone, and StudyError when it refuses all, replies
        with something else, or fails in all attempts.
        """
        known = self.endpoint.adaptation
        changes, reasons, failure = known.of(route), [], None
        for _ in range(_MOST_CHANGES):
            sent = changes.applied(fields)
            reply = self._post(sent, route)
            if not isinstance(reply, Failure):
                known.keep(route, changes, self.endpoint.name, "; ".join(reasons))
                if (why := replies.withheld(reply["choices"][0])) is not None:
                    raise QuestionRefused(_shortened(why))
                return reply
            failure = reply
            # What another thread has found out meanwhile goes before what the words say.
            latest = known.of(route)
            other = latest if latest.applied(fields) != sent and not reasons else None
            other = other or (None if failure.final else changes.after(failure, sent))
            if other is None or other == changes:
                break
            changes = other
            reasons.append(_shortened(failure.said))
        if failure.of_the_server or not (failure.too_long or self._answers(sent, route)):
            raise StudyError(f"{self.endpoint.name}: {failure.told}")
        raise QuestionRefused(
            f"the server refused this question ({_shortened(failure.said)})", failure.too_long
        )

    def _answers(self, sent: dict[str, Any], route: str) -> bool:
        """Whether the server answers another question that is asked like the one it has refused.

        Asked each time: one that answered before may have died behind its gateway."""
        asked = {"messages": [{"role": "user", "content": _CONTROL_QUESTION}]}
        asked = asked if route == CHAT else {"prompt": _CONTROL_QUESTION}
        return not isinstance(self._post({**sent, **asked}, route, max_retries=0), Failure)

    # --- The client ------------------------------------------------------------------------------

    def _post(
        self, fields: dict[str, Any], route: str, max_retries: int | None = None
    ) -> dict[str, Any] | Failure:
        """A server's reply, or what is to be said of the failure. It does not raise: what the
        client raises holds the key."""
        import openai

        client = self._client
        if max_retries is not None:
            client = client.with_options(max_retries=max_retries)
        authorization = f"Bearer {self._key}" if self._key else openai.Omit()
        try:
            text = client.post(
                f"/{route}",
                cast_to=str,  # it is checked here: the client takes a reply of any form
                body={"model": self.endpoint.model, **fields},
                options={"headers": {"Authorization": authorization}},
            )
        except openai.APIError as error:
            return self._failure(error)
        return self._checked(text, route)

    def _connected(self) -> OpenAI:
        """The client. Once the session has ended it sends nothing more, not even what is to be
        retried."""
        import openai

        endpoint = self.endpoint

        def before(request: Any) -> None:
            if self._ended.is_set():
                raise StudyError("not tried again, since another request failed.")
            for name in [*request.headers]:
                if name not in SENT_HEADERS:
                    del request.headers[name]

        def after(response: Any) -> None:
            # A used-up quota comes as 429 too, and does not pass by itself.
            if response.status_code == 429 and _is_quota(_body(response)):
                response.headers["x-should-retry"] = "false"
            # Some servers and gateways say that all is well and send an error.
            if response.status_code == 200 and (error := _error_inside(_body(response))):
                response.status_code = server_errors.status_of_error(error)

        # No proxy can reach this machine itself; certificates are those of the environment all the
        # same.
        proxied = not endpoint.is_on_this_machine
        certificates = {
            "cafile": os.environ.get("SSL_CERT_FILE"),
            "capath": os.environ.get("SSL_CERT_DIR"),
        }
        options = {} if proxied else {"verify": ssl.create_default_context(**certificates)}
        try:
            http = openai.DefaultHttpxClient(
                follow_redirects=False,
                trust_env=proxied,
                event_hooks={"request": [before], "response": [after]},
                **options,
            )
        except (ValueError, ImportError):  # neither says where the address stands
            raise StudyError(
                f"{endpoint.name}: the proxy that the environment names cannot be used. "
                "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY must hold http://host:port, or be unset."
            ) from None
        # All three are said here because the client would look for them in the environment. The
        # key goes with each request instead (`_post`).
        return openai.OpenAI(
            base_url=endpoint.url,
            api_key="unused",
            admin_api_key="",
            timeout=endpoint.timeout_s,
            max_retries=endpoint.max_retries,
            http_client=http,
        )

    def _failure(self, error: APIError) -> Failure:
        """What to say of a request that failed for good."""
        import openai

        attempts = int(error.request.headers.get(_ATTEMPT, 0)) + 1
        status, said, parameter, final = None, "", "", False
        if isinstance(error, openai.APITimeoutError):
            said = what = f"no answer within {self.endpoint.timeout_s:g} s"
        elif isinstance(error, openai.APIStatusError):
            status, text = error.status_code, error.response.text
            words, code, parameter = server_errors.error_in(text)
            words = self._masked(words) or "(nothing)"
            what = f"status {status}: {_shortened(words)}"
            said = f"status {status}: {words}"
            said += f" [{self._masked(code)}]" if code not in words else ""
            if _is_quota(text) or not (status in PASSING or status >= 500):
                advice = _ADVICE.get(status, "Is this the address of an OpenAI-compatible server?")
                told = f"{what}\n{advice.format(key=self._variable)}"
                return Failure(told, status, said, parameter, _is_quota(text))
            wait_s = _retry_after(error.response.headers.get("Retry-After", ""))
            if wait_s and attempts <= self.endpoint.max_retries:  # longer than the client waits
                told = (
                    f"asks to wait for {counted(math.ceil(wait_s / 60), 'minute')}. What was "
                    "answered is kept; run "
                    "the study again later."
                )
                return Failure(told, status, said, final=True)
        else:
            cause, final = error.__cause__ or error, True
            if isinstance(cause, StudyError):
                return Failure(str(cause), final=True)
            what = f"cannot be reached ({self._masked(str(cause) or type(cause).__name__)})"
        tried = counted(attempts, "attempt")
        told = f"{what} ({tried}). What was answered is kept; run the study again to go on."
        return Failure(told, status, f"{said} ({tried})" if said else "", parameter, final)

    def _checked(self, text: str, route: str) -> dict[str, Any] | Failure:
        """A server's reply, without the key; a Failure when it is no completion."""
        reply = streams.value_of(text)
        read = replies.vectors_of if route == EMBEDDINGS else replies.choice_of
        if read(reply) is None:
            words = _shortened(self._masked(server_errors.error_in(text)[0])) or "(nothing)"
            said = f"the reply is no {_KINDS[route]}: {words}"
            return Failure(
                f"{said}\nIs this the address of an OpenAI-compatible server? It usually ends in "
                "/v1.",
                said=said,
            )
        try:
            json.dumps(reply, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            reply = readable_value(reply)
            circumstances.remember(
                f"{self.endpoint.name}: half characters in its answers, which no file can hold, "
                "were replaced by \ufffd."
            )
        return secrets.hidden(reply)

    def _masked(self, words: str) -> str:
        """The words of an error, also without a key that is a word only."""
        return secrets.masked(secrets.hidden(words), self._key)


def _body(response: Any) -> str:
    return response.read().decode(errors="replace")


def _error_inside(text: str) -> Any | None:
    return replies.error_of(streams.value_of(text))


def _shortened(words: str) -> str:
    line = " ".join(words.split())
    return f"{line[:200]}…" if len(line) > 200 else line


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
