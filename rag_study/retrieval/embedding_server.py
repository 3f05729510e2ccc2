"""An embedding model behind an OpenAI-compatible server (`http://host:port/v1#model-name`).

The server's tokenizer is not known here: three bytes of UTF-8 count as a token, which is more
tokens than nearly every tokenizer makes of a text. So chunks fit, and of a longer question the
beginning is sent. Retries, keys and masking are those of all models on servers (`models.session`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from llama_index.core.embeddings import BaseEmbedding
from pydantic import Field

from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.models import endpoint
from rag_study.models.server_errors import QuestionRefused
from rag_study.models.session import Session
from rag_study.retrieval.embedding import EMBED_BATCH, Embedder
from rag_study.retrieval.embedding_cache import EmbeddingCache, key_of
from rag_study.retrieval.embedding_model import EmbeddingModel

_BYTES = 3
# Embedded whenever a server is connected: what it serves under a name may change.
_PROBE, _LEAST_COSINE = "What is two plus two?", 0.999


class ServedEmbedding(BaseEmbedding):
    """A model on a server, as LlamaIndex's engines want one. Vectors are as the server sends
    them."""

    query_prefix: str = ""
    servers: dict[str, Any] = Field(default_factory=dict)

    def session(self) -> Session:
        return Session(endpoint.connect(self.model_name, **self.servers))

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        with self.session() as session:
            return session.embed(texts)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(f"{self.query_prefix}{query}")

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


class ServedEmbedder(Embedder):
    """As `Embedder`, asking a server: several requests are under way at once. `servers` are options
    of its `Endpoint`."""

    def __init__(
        self, model: EmbeddingModel, servers: Mapping[str, Any], cache: EmbeddingCache | None = None
    ):
        llama = ServedEmbedding(
            model_name=model.name,
            query_prefix=model.query_prefix,
            servers=dict(servers),
            embed_batch_size=EMBED_BATCH,
        )
        super().__init__(llama, cache, model)

    @property
    def window(self) -> int:
        return self.model.window

    @cached_property
    def probe(self) -> np.ndarray:
        """The vector of a fixed text, (dimensions,) float32, asked for now."""
        return self.finished(self._asked([_PROBE]), _PROBE)[0]

    @property
    def dimensions(self) -> int:
        return len(self.probe)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Estimated tokens of each whole text, with two special ones."""
        return [2 + self._plain_count(text) for text in texts]

    def _plain_count(self, text: str) -> int:
        return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES)

    def _computed(self, texts: dict[str, str]) -> Iterator[tuple[list[str], np.ndarray]]:
        keys = sorted(texts, key=lambda key: len(texts[key]))  # like lengths together: less padding
        batches = [keys[i : i + EMBED_BATCH] for i in range(0, len(keys), EMBED_BATCH)]
        with self.llama.session() as session:
            side = session.endpoint.concurrency
            for start in range(0, len(batches), side):
                some = batches[start : start + side]
                sent = [[self._read_of(texts[key]) for key in batch] for batch in some]
                futures = [session.submit(session.embed, one) for one in sent]
                for batch, one, future in zip(some, sent, futures, strict=True):
                    yield batch, self.finished(self._result(future.result), one[0])

    def _asked(self, texts: list[str]) -> list[list[float]]:
        return self._result(lambda: self.llama._get_text_embeddings(texts))

    def _result(self, call: Callable[[], list[list[float]]]) -> list[list[float]]:
        try:
            return call()
        except QuestionRefused as refused:
            raise StudyError(
                f"{self.model.name}: a text is too long for it ({refused}). Say what the model "
                f"reads (retrieval.embedding_window, now {self.window} tokens of {_BYTES} bytes), "
                "or lower retrieval.chunk_size."
            ) from None

    def _read_of(self, text: str) -> str:
        room = _BYTES * (self.window - 2)
        return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")


def connect(model: EmbeddingModel, servers: Mapping[str, Any], *, cached: bool = True) -> Embedder:
    """The embedder of a model on a server, which is asked for one vector; `servers` are options of
    its `Endpoint`.

    Vectors are cached by the model's name. Where the server now gives another vector for the same
    text, another model stands behind the name, and those that are kept are dropped. Raises
    StudyError where no vector can be had.
    """
    embedder = ServedEmbedder(model, servers)
    probe = embedder.probe
    if not cached:
        return embedder
    name = hashlib.sha256(f"{model.name} {model.window}".encode()).hexdigest()[:16]
    place = files.cache_dir() / "embeddings" / f"server-{name}"
    cache, key = EmbeddingCache(place, len(probe)), key_of(_PROBE)
    kept = cache.read([key]).get(key)
    if kept is None or float(kept @ probe) < _LEAST_COSINE:
        shutil.rmtree(place, ignore_errors=True)
        cache.write({key: probe})
    return ServedEmbedder(model, servers, cache)
