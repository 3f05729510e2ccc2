"""The groups of settings that say what is asked about, and how it is searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from rag_study import data
from rag_study.answering.conditions import ORDERS
from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.data import registry
from rag_study.models import names
from rag_study.retrieval import embedding_model, store_names
from rag_study.retrieval.settings import RETRIEVERS, SPECIAL_TOKENS, check_chunking
from rag_study.study.group import Group
from rag_study.study.model_checks import check_model, only_data

# 02 keeps at least so many passages per question, so that a smaller top_k needs no new search;
# passages without the gold ones are looked for further down.
MIN_DEPTH, DISTRACTOR_DEPTH = 10, 30


class Dataset(Group):
    """One data set: a name of `data.registry`, where it is, and the data set's own options (further
    keys, checked against what the data set takes, and spelt out)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="a name of the data set registry")
    path: str | None = Field(None, description="file or folder; left out: the hub, or generated")
    corpus: str | None = Field(None, description="file or folder with documents of its own")
    test_share: float = Field(0.25, ge=0.05, le=0.8, description="share of the test pool")
    retrieval_scope: Literal["corpus", "own"] | None = Field(
        None, description="own: search the question's own paper or contract only"
    )

    @model_validator(mode="after")
    def _fits_the_data_set(self) -> Dataset:
        try:
            loader = registry.find(self.name)
            for key in self.model_extra:
                if key not in loader.options.model_fields:
                    keys = [*type(self).model_fields, *loader.options.model_fields]
                    raise ValueError(f"unknown key '{key}'{nearest(key, keys)}")
            options = data.source_of(*self.source).options
        except StudyError as error:
            raise ValueError(str(error)) from None
        # A default that is another one day must not go unnoticed: ids are made of what stands here.
        self.model_extra.update(options.model_dump(mode="json"))
        if self.retrieval_scope is None:
            self.__dict__["retrieval_scope"] = (
                "own" if loader.searches_own_scope(options) else "corpus"
            )
        return self

    @property
    def source(self) -> tuple[str, str, str, dict[str, Any]]:
        """What `data.load` takes."""
        return self.name, self.path or "", self.corpus or "", dict(self.model_extra)

    @property
    def content(self) -> tuple[Any, ...]:
        """What decides which questions there are, and in which pools: equal means the same data."""
        return *self.source, self.test_share


class Retrieval(Group):
    """How the corpus is cut and searched, and what of it is shown.

    Lengths are in tokens of the embedding model, `max_context_tokens` in tokens of the answering
    model (0: only its window limits the passages). Prefixes and window, left out, are those that
    the model's own files say; what is known of its family instead is said here from then on.
    """

    retriever: Literal[RETRIEVERS] = "dense"
    reranker: str = Field("", description="a cross-encoder, or a language model")
    embedding_model: str = Field(
        "all-minilm-l6-v2", description="preset, folder, hub id, or http://host:port/v1#model-name"
    )
    embedding_window: int | None = Field(
        None, ge=32, description="tokens that the embedding model reads; left out: as its files say"
    )
    query_prefix: str | None = Field(None, max_length=1000, description="before questions")
    passage_prefix: str | None = Field(None, max_length=1000, description="before passages")
    store: str | None = Field(None, description="a served vector store; left out: FAISS, in files")
    chunk_size: int = Field(192, ge=32)
    chunk_overlap: int = Field(32, ge=0)
    depth: int | None = Field(
        None, ge=1, description="passages kept per question; left out: as many as are asked for"
    )
    top_k: int = Field(3, ge=1, le=50, description="passages in the prompt")
    max_context_tokens: int = Field(0, ge=0)
    passage_order: Literal[ORDERS] = "best_first"

    @field_validator("reranker")
    @classmethod
    def _known_reranker(cls, name: str) -> str:
        if names.is_endpoint(name):
            raise ValueError("a model on a server does not rerank; name a preset, folder or hub id")
        if name:
            check_model(name)
        if folder := names.folder_of(name):
            only_data(folder, f"reranker '{name}'")
        return name

    @model_validator(mode="after")
    def _is_possible(self) -> Retrieval:
        try:
            model = embedding_model.find(self.embedding_model, **self.embedding_options)
            room = model.window and model.window - SPECIAL_TOKENS
            check_chunking(self.chunk_size, self.chunk_overlap, room)
            if self.store:
                store_names.check(self.store)
        except StudyError as error:
            raise ValueError(str(error)) from None
        if self.depth is not None and self.depth < self.top_k:
            raise ValueError(f"depth {self.depth}: fewer passages than top_k ({self.top_k})")
        # A folder's name is in no run's id; what is concluded from it must be.
        if any(embedding_model.family_prefixes(self.embedding_model)):
            self.__dict__["query_prefix"] = model.query_prefix
            self.__dict__["passage_prefix"] = model.passage_prefix
        return self

    @property
    def embedding_options(self) -> dict[str, Any]:
        """What `retrieval.load_embedding` takes beside the model's name."""
        prefixes = {"query_prefix": self.query_prefix, "passage_prefix": self.passage_prefix}
        return {**prefixes, "window": self.embedding_window}

    @property
    def unused(self) -> frozenset[str]:
        keys = ("query_prefix", "passage_prefix", "embedding_window", "store")
        left_out = {key for key in keys if getattr(self, key) is None}
        return frozenset(left_out | {"store"} if self.retriever == "bm25" else left_out)

    def deep_enough(self, contexts: Sequence[str]) -> Retrieval:
        """The same with its `depth` said: enough for these contexts."""
        least = DISTRACTOR_DEPTH if "distractor" in contexts else MIN_DEPTH
        depth = self.depth or max(least, self.top_k)
        return self if depth == self.depth else self.model_copy(update={"depth": depth})
