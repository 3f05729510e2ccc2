"""Models behind an OpenAI-compatible server: GPT-4, a vLLM server with adapters by name, ...

In a study file such a model is called `http://host:port/v1#model-name` (or https). The server is
asked by chat completions with the same messages as a local model. The key is read from the
environment when a request is sent, and is kept nowhere: not in a file, a log, an error or a repr.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rag_study.answering import generation
from rag_study.answering.contexts import Context, ContextBuilder, in_prompt_order
from rag_study.answering.generation import Settings
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.data.schema import Question
from rag_study.models import prompts, sampling
from rag_study.models.names import is_endpoint
from rag_study.models.prompts import AS_USUAL, Prompting

if TYPE_CHECKING:
    import httpx

KEY_VARIABLE = "RAG_STUDY_API_KEY"
# Tools keep OpenAI's key here. A study file from elsewhere must not send it to another server.
OPENAI_KEY_VARIABLE, OPENAI_HOST = "OPENAI_API_KEY", "api.openai.com"
LONGEST_WAIT_S = 600
CHAT, COMPLETIONS = "chat/completions", "completions"
_KINDS = {CHAT: "chat completion", COMPLETIONS: "completion"}
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


class _PassingError(Exception):
    """A failure that another attempt may not meet. `wait_s` is what the server asks for."""

    def __init__(self, message: str, wait_s: float = 0.0):
        super().__init__(message)
        self.wait_s = wait_s


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

    At most `concurrency` requests are under way at once. Each is tried `attempts` times: the
    pauses before the next begin at `backoff_s` and double, each drawn from the upper half of its
    length (so that clients that failed together do not come back together), and are never shorter
    than the server asks for. `key_variable` names the environment variable with the key; left
    out, it is RAG_STUDY_API_KEY, and for OpenAI's own server also OPENAI_API_KEY.
    """

    url: str
    model: str
    key_variable: str = ""
    concurrency: int = 8
    attempts: int = 6
    backoff_s: float = 1.0
    timeout_s: float = 120.0
    _stop: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def complete(
        self,
        client: httpx.Client,
        messages: list[dict[str, str]],
        settings: Settings,
        seed: int = 0,
    ) -> Completion:
        """The answer to one chat. Raises StudyError as `ask`."""
        fields: dict[str, Any] = self.limit(settings.max_new_tokens)
        fields["temperature"] = settings.temperature
        if settings.temperature:
            fields |= {"top_p": settings.top_p, "seed": seed % 2**31}
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

    def client(self) -> httpx.Client:
        """A client for `complete` and `ask`; several threads may share it. Close it after use."""
        import httpx

        limits = httpx.Limits(max_connections=self.concurrency)
        return httpx.Client(timeout=self.timeout_s, limits=limits)

    def ask(
        self, client: httpx.Client, fields: dict[str, Any], route: str = CHAT
    ) -> dict[str, Any]:
        """The reply to one request for a completion; `fields` are those besides the model.

        `route` is CHAT or COMPLETIONS. The reply has at least one choice, with a message of text
        or with text. Raises StudyError when the server refuses, replies with something else, or
        fails in all attempts.
        """
        pause, attempt = self.backoff_s, 0
        while True:
            attempt += 1
            try:
                return self._ask_once(client, {"model": self.model, **fields}, route)
            except _PassingError as error:
                if attempt >= self.attempts:
                    raise StudyError(
                        f"{self.name}: {error} ({attempt} attempts). What was answered is kept; "
                        "run the study again to go on."
                    ) from None
                wait_s = max(error.wait_s, pause * random.uniform(0.5, 1.0))
            if wait_s > LONGEST_WAIT_S:
                raise StudyError(
                    f"{self.name}: asks to wait for {wait_s / 60:.0f} minutes. What was answered "
                    "is kept; run the study again later."
                )
            pause *= 2
            if self._stop.wait(wait_s):
                raise StudyError(f"{self.name}: not tried again, since another request failed.")

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

    def _ask_once(self, client: httpx.Client, body: dict[str, Any], route: str) -> dict[str, Any]:
        """One attempt. Raises _PassingError where another one makes sense."""
        import httpx

        variable, key = self._key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            reply = client.post(f"{self.url}/{route}", json=body, headers=headers)
        except httpx.TimeoutException:
            raise _PassingError(f"no answer within {self.timeout_s:g} s") from None
        except httpx.RequestError as error:
            said = str(error) or type(error).__name__
            raise _PassingError(f"cannot be reached ({said})") from None
        # A server may repeat the key in what it says.
        text = reply.text.replace(key, "***") if key else reply.text
        if reply.is_success:
            return self._checked(text, route)
        status, said = reply.status_code, _said(text)
        passing = status in (408, 409, 425, 429) or status >= 500
        # A used-up quota comes as 429 too, and does not pass by itself.
        if passing and "insufficient_quota" not in text:
            wait_s = _retry_after(reply.headers.get("Retry-After", ""))
            raise _PassingError(f"status {status}: {said}", wait_s)
        advice = _ADVICE.get(status, "Is this the address of an OpenAI-compatible server?")
        raise StudyError(f"{self.name}: status {status}: {said}\n{advice.format(key=variable)}")

    def _checked(self, text: str, route: str) -> dict[str, Any]:
        """A server's reply. Raises StudyError when it is no completion."""
        try:
            reply = json.loads(text)
            choice = reply["choices"][0]
            said = choice["message"] if route == CHAT else {"content": choice["text"]}
            fine = all(isinstance(said.get(k), str | None) for k in ("content", "refusal"))
            fine = fine and isinstance(reply.get("usage"), dict | None)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            fine = False
        if not fine:
            raise StudyError(
                f"{self.name}: the reply is no {_KINDS[route]}: {_said(text)}\n"
                "Is this the address of an OpenAI-compatible server? It usually ends in /v1."
            )
        return reply


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


def generate_answers(
    endpoint: Endpoint,
    questions: Mapping[str, Sequence[Question]],
    builder: ContextBuilder,
    settings: Settings,
    extent: Mapping[str, int],
    folder: RunFolder,
    prompting: Prompting = AS_USUAL,
) -> Iterator[list[dict]]:
    """As `generation.generate_answers`, with the answers of a server; the rows have its name for
    the model, `served_model`, besides.

    Every answer is kept in `folder` at once: when the server fails for good, the StudyError comes
    after the answers under way are in, and the next run asks for the rest only.
    """
    if settings.max_context_tokens:
        raise StudyError(
            f"max_context_tokens needs the model's tokenizer, which {endpoint.url} does not give. "
            "Set it to 0 and limit the passages with top_k and chunk_size."
        )
    endpoint._stop.clear()
    with endpoint.client() as client, ThreadPoolExecutor(endpoint.concurrency) as pool:
        try:
            pending = []
            for context, asked in questions.items():
                wanted = generation.positions_to_answer(context, extent[context], asked, settings)
                for position in wanted:
                    answer = partial(
                        _answer,
                        endpoint,
                        client,
                        asked[position],
                        builder.context(asked[position], context),
                        settings,
                        prompting,
                        {"context": context, "position": position},
                    )
                    name = f"{context}-{position:05d}"
                    pending.append(pool.submit(folder.part, name, answer))
            for start in range(0, len(pending), settings.batch_size):
                batch = pending[start : start + settings.batch_size]
                yield [row for future in batch for row in future.result()]
        finally:
            # Whatever ended this (the server, an interrupt): nothing new, no more pauses.
            endpoint._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _answer(
    endpoint: Endpoint,
    client: httpx.Client,
    question: Question,
    context: Context,
    settings: Settings,
    prompting: Prompting,
    place: dict[str, str | int],
) -> list[dict]:
    """The row of one question, in a list as `RunFolder.part` takes it."""
    if context.passages is None:
        row = generation.left_out_row(question, context)
        return [{**place, **row, "served_model": None}]
    shown = in_prompt_order(context.passages, settings.passage_order)
    messages = prompts.answer_messages(
        clean(question.question),
        [(clean(p.title), clean(p.text)) for p in shown],
        Prompting(prompting.name, tuple((clean(q), clean(a)) for q, a in prompting.examples)),
    )
    seed = sampling.item_seed(settings.seed, str(place["context"]), question.id)
    said = endpoint.complete(client, messages, settings, seed)
    row = generation.answer_row(
        question,
        context,
        context.passages,
        said.text,
        said.completion_tokens,
        said.truncated,
        said.prompt_tokens,
    )
    return [{**place, **row, "served_model": said.served_model}]


def clean(text: str) -> str:
    """Text for a server, whose model's control tokens are not known, without the usual ones."""
    return prompts.clean(text, CONTROL)


def _said(text: str) -> str:
    """What a reply says, in one line: the message of its error where it has one."""
    try:
        said = json.loads(text)
        said = said.get("error", said.get("detail", said))
        text = str(said.get("message", said) if isinstance(said, dict) else said)
    except (ValueError, AttributeError):
        pass
    line = " ".join(text.split())
    return f"{line[:200]}…" if len(line) > 200 else line or "(nothing)"


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
