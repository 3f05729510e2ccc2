"""Models behind an OpenAI-compatible server: GPT-4, a vLLM server with adapters by name, ...

In a study file such a model is called `http://host:port/v1#model-name` (or https). The server is
asked by chat completions with the same messages as a local model (`Session`). For the key, see
`api_key`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from rag_study.common import secrets
from rag_study.common.errors import StudyError
from rag_study.models import api_key, prompts
from rag_study.models.adaptation import Adaptation
from rag_study.models.names import is_endpoint

# How many requests are under way at once, how long a reply may take, and how often a request is
# tried again. The client's pauses begin at half a second and double up to 8 s, so that these bridge
# a server's restart of half a minute; it waits as long as a server asks, up to two minutes.
CONCURRENCY, TIMEOUT_S, MAX_RETRIES = 8, 120.0, 7
CHAT, COMPLETIONS, EMBEDDINGS = "chat/completions", "completions", "embeddings"
# A server has a tokenizer of its own. These are what models in common use write between turns;
# what looks like <|...|> or [INST] is taken out in any case.
CONTROL = SimpleNamespace(
    all_special_tokens=("<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
)


@dataclass(frozen=True)
class Endpoint:
    """A model on a server. `url` ends before `/chat/completions`.

    At most `concurrency` requests are under way at once. Each may take `timeout_s` and is tried
    again up to `max_retries` times, with growing pauses that are never shorter than the server asks
    for. `key_variable` names the environment variable with the key; left out, it is
    RAG_STUDY_API_KEY, and for OpenAI's own server also OPENAI_API_KEY. `adaptation` is what all
    sessions have found out about the server.
    """

    url: str
    model: str
    key_variable: str = ""
    concurrency: int = CONCURRENCY
    max_retries: int = MAX_RETRIES
    timeout_s: float = TIMEOUT_S
    adaptation: Adaptation = field(default_factory=Adaptation, repr=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.url}#{self.model}"

    def limit(self, tokens: int, route: str = CHAT) -> dict[str, int]:
        """The field that limits the length of a reply.

        OpenAI's newer models know it by the new name only, most other servers by the old.
        """
        new = self.host == api_key.OPENAI_HOST and route == CHAT
        return {"max_completion_tokens" if new else "max_tokens": tokens}

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_on_this_machine(self) -> bool:
        """Whether it is a server of this machine, which no proxy can reach."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def key(self) -> tuple[str, str]:
        """(name of the environment variable, key), as `api_key.read`."""
        return api_key.read(self.key_variable, self.host)


def connect(name: str, **options: Any) -> Endpoint:
    """The endpoint of a model name `http://host:port/v1#model-name`; nothing is sent yet.

    `options` are those of `Endpoint`. Raises StudyError for a name of another form and for one
    that carries a password or key: names are written into files.
    """
    url, _, model = name.partition("#")
    try:
        parts = urlsplit(url)
        carries = [parts.username, parts.password, parts.query]
        carries.append(secrets.hidden(name) != name)
        fine = is_endpoint(name) and parts.port != 0 and not any(carries)
    except ValueError:  # no such port, or half an IPv6 address
        fine = False
    if not fine:
        raise StudyError(
            "the name of a model on a server has the form http://host:port/v1#model-name, without "
            "a user, password, query or key. Keys come from the environment "
            f"({api_key.KEY_VARIABLE})."
        )
    return Endpoint(url.rstrip("/"), model, **options)


def clean(text: str) -> str:
    """Text for a server, whose model's control tokens are not known, without the usual ones."""
    return prompts.clean(text, CONTROL)
