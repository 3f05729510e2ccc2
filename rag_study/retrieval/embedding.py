"""Texts to vectors, with LlamaIndex's Hugging Face embeddings."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_study.common.errors import StudyError
from rag_study.retrieval.embedding_cache import EmbeddingCache, key_of
from rag_study.retrieval.embedding_model import EmbeddingModel
from rag_study.retrieval.legibility import Legibility, legibility

if TYPE_CHECKING:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

EMBED_BATCH = 32
# Texts whose vectors are kept together: what a killed run loses at most.
KEPT_TOGETHER = 1024
_TOKENISED_TOGETHER = 4096
# With several threads, matrices of up to 11 rows were multiplied in another way and rounded
# differently. Batches with fewer tokens are filled with copies of themselves.
_LEAST_TOKENS = 64
# Longer words are one "unknown" token to BERT's tokenizer, however long they are.
_LONGEST_WORD = 100
_ENDLESS_WORD = re.compile(rf"\w{{{_LONGEST_WORD + 1},}}")
_REMEMBERED = 24  # characters: words come again and again where long sentences are cut


class Embedder:
    """An embedding model and its cache. `llama` is the model as LlamaIndex wants it.

    Batches hold texts of equal length in tokens, so there is no padding to compute, and a vector
    does not depend on the texts beside it, nor on what was in the cache (bit for bit on a CPU, in
    both precisions; in mixed batches bfloat16 differs by up to 0.002).
    """

    def __init__(
        self,
        llama: HuggingFaceEmbedding,
        cache: EmbeddingCache | None = None,
        model: EmbeddingModel | None = None,
    ):
        self.llama = llama
        self.model = model or EmbeddingModel(str(llama.model_name), None, int(llama.max_length))
        self._cache = cache
        self._counts: dict[str, int] = {}

    @property
    def window(self) -> int:
        """Tokens that the model reads of a text, its special ones included."""
        return int(self.llama.max_length)

    @property
    def room(self) -> int:
        """Tokens of a passage that the model reads, beside its special ones and its prefix."""
        return self.window - self.lengths([self.model.passage_prefix])[0]

    @property
    def dimensions(self) -> int:
        return int(self.llama._model.get_embedding_dimension())

    @cached_property
    def _tokenizer(self) -> Any:
        return self.llama._model.tokenizer

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, special ones included; above `window` the rest is not read."""
        counts: list[int] = []
        for start in range(0, len(texts), _TOKENISED_TOGETHER):
            part = list(texts[start : start + _TOKENISED_TOGETHER])
            counts += map(len, self._tokenizer(part, truncation=False, verbose=False)["input_ids"])
        return counts

    def count_tokens(self, text: str) -> int:
        """Tokens of a text without the special ones, as chunk sizes are meant.

        A word of more than 100 letters counts as its parts of 100 do. The model's tokenizer makes
        it a single unknown token, and a text without spaces would never be cut.
        """
        if text in self._counts:
            return self._counts[text]
        count = self._plain_count(text)
        for word in _ENDLESS_WORD.findall(text):
            if self._plain_count(word) == 1:
                parts = (word[i : i + _LONGEST_WORD] for i in range(0, len(word), _LONGEST_WORD))
                count += sum(map(self._plain_count, parts)) - 1
        if len(text) <= _REMEMBERED:
            self._counts[text] = count
        return count

    def _plain_count(self, text: str) -> int:
        options = {"add_special_tokens": False, "truncation": False, "verbose": False}
        return len(self._tokenizer(text, **options)["input_ids"])

    def embed_questions(self, texts: Sequence[str]) -> np.ndarray:
        """`embed`, with the prefix that the model wants before a question."""
        return self.embed([f"{self.model.query_prefix}{text}" for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """`embed`, with the prefix that the model wants before a passage."""
        return self.embed([f"{self.model.passage_prefix}{text}" for text in texts])

    def legibility(self, texts: Sequence[str]) -> Legibility | None:
        """How well the model can read the texts, by its vocabulary; None where it has none that
        can be looked at."""
        return legibility(self.model.vocabulary, texts)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors in float32, (number of texts, dimensions); of length 1, but for a model whose
        files say that its vectors are compared as they are (`EmbeddingModel.cosine`).

        Each distinct text is computed once, shortest first, and only where the cache lacks it.
        What is beyond the model's window is not read: see `lengths`. Raises StudyError where the
        model gives no numbers.
        """
        keys = [key_of(text) for text in texts]
        cached = self._cache.read(keys) if self._cache else {}
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in cached}
        fresh: dict[str, np.ndarray] = {}
        for some_keys, vectors in self._computed(missing):
            fresh |= zip(some_keys, vectors, strict=True)
            if len(fresh) >= KEPT_TOGETHER:
                cached |= self._keep(fresh)
                fresh = {}
        cached |= self._keep(fresh)
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return np.stack([cached[key] for key in keys])

    def _computed(self, texts: dict[str, str]) -> Iterator[tuple[list[str], np.ndarray]]:
        lengths = (min(n, self.window) for n in self.lengths(list(texts.values())))
        ordered = sorted(zip(lengths, texts, strict=True), key=lambda pair: pair[0])
        for length, same in itertools.groupby(ordered, key=lambda pair: pair[0]):
            keys = [key for _, key in same]
            for start in range(0, len(keys), EMBED_BATCH):
                batch = keys[start : start + EMBED_BATCH]
                filled = [texts[key] for key in batch] * -(-_LEAST_TOKENS // (length * len(batch)))
                vectors = self.llama.get_text_embedding_batch(filled)[: len(batch)]
                yield batch, self.finished(vectors, filled[0])

    def finished(self, vectors: Any, text: str) -> np.ndarray:
        """Vectors of a model as they are kept, float32, of length 1 for a comparison by cosine;
        `text` is named where they are none."""
        # Computed in bfloat16, lengths are 1 only to two or three digits.
        exact = np.asarray(vectors, dtype=np.float64)
        norms = np.linalg.norm(exact, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise StudyError(
                f"the embedding model {self.model.name} gives no numbers (NaN, infinite, "
                f"or all 0) for the text '{text[:40]}'. Its weights are damaged, or "
                "too large for this precision: try compute.dtype float32."
            )
        return (exact / norms if self.model.cosine else exact).astype(np.float32)

    def _keep(self, vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self._cache and vectors:
            self._cache.write(vectors)
        return vectors
