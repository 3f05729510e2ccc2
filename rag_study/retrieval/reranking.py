"""Rerankers: a second look at the passages that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from rag_study.common import machine
from rag_study.common.errors import StudyError
from rag_study.models import folders, loading, names, prompts
from rag_study.models.language_model import LanguageModel, check_weights

# Of a longer question only the beginning is scored.
QUESTION_TOKENS = 128


class Reranker(Protocol):
    """Whatever can say how well passages answer questions."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Scores of (question, passage with its title) pairs, shape (pairs,); more is better."""


class CrossEncoderReranker:
    """A cross-encoder: reads question and passage together, one number comes out."""

    def __init__(self, model: Any, batch_size: int = 32):
        self._model = model
        self._batch_size = batch_size

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """The model's logits, as they are: a sigmoid would make equal what is very sure."""
        import torch

        if not pairs:
            return np.zeros(0, dtype=np.float32)
        return self._model.predict(
            list(pairs),
            batch_size=self._batch_size,
            show_progress_bar=False,
            activation_fn=torch.nn.Identity(),
        )


class QueryLikelihoodReranker:
    """The generator itself: mean log-probability of the question's tokens after the passage.

    Query likelihood (Ponte and Croft 1998) with a language model's prompt as in UPR (Sachan et al.
    2022). No text is generated and nothing needs training; small models that cannot answer "is
    this passage relevant?" can still do this.
    """

    def __init__(self, lm: LanguageModel, batch_size: int = 8):
        self._lm = lm
        self._batch_size = batch_size

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Nats per token, (pairs,). Raises StudyError for pairs longer than the model's window."""
        from rag_study.models.likelihood import log_likelihoods

        encoded = [self._encode(question, passage) for question, passage in pairs]
        # Sorted by length, a batch holds little padding.
        order = sorted(range(len(pairs)), key=lambda i: len(encoded[i][0]))
        scores = np.zeros(len(pairs))
        order = [i for i in order if encoded[i][1]]  # a question without a token scores 0
        for start in range(0, len(order), self._batch_size):
            chosen = order[start : start + self._batch_size]
            batch = [encoded[i] for i in chosen]
            scores[chosen] = log_likelihoods(self._lm, batch) / np.array([n for _, n in batch])
        return scores

    def _encode(self, question: str, passage: str) -> tuple[list[int], int]:
        """(token ids of the prompt and the question, how many of them are the question's)."""
        tokenizer = self._lm.tokenizer
        prompt = prompts.instruction_prompt(tokenizer, prompts.RERANK.format(passage=passage))
        question_ids = tokenizer.encode(
            prompts.clean(question, tokenizer), add_special_tokens=False
        )
        question_ids = question_ids[:QUESTION_TOKENS]
        if len(prompt) + len(question_ids) > self._lm.max_length:
            raise StudyError(
                f"reranking with {self._lm.name}: a passage and its question have "
                f"{len(prompt) + len(question_ids)} tokens, more than the model's window "
                f"({self._lm.max_length}). Lower retrieval.chunk_size."
            )
        return prompt + question_ids, len(question_ids)


def load_reranker(name: str, dtype: str = "float32") -> Reranker | None:
    """The reranker of a study file: none for "", a language model by its preset's name, else a
    cross-encoder. Raises StudyError when it cannot be had."""
    dtype = machine.resolve_dtype(dtype)
    if not name:
        return None
    if name in names.GENERATORS:
        return QueryLikelihoodReranker(loading.load_generator(name, dtype))
    return load_cross_encoder(name, dtype)


def load_cross_encoder(name: str, dtype: str = "float32") -> CrossEncoderReranker:
    """A cross-encoder from a folder or a hub id, by sentence-transformers; safetensors only.

    `dtype` is float32 or bfloat16. Raises StudyError when it cannot be had, when its weights are no
    numbers, or when it gives more than one number for a pair (a classifier).
    """
    import torch
    from sentence_transformers import CrossEncoder
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = names.folder_of(name)
    if folder:
        folders.check(folder, f"reranker '{name}'")
    try:
        model = CrossEncoder(
            str(folder or name),
            device="cuda" if torch.cuda.is_available() else "cpu",
            trust_remote_code=False,
            model_kwargs={"dtype": getattr(torch, dtype), "use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        raise StudyError(
            f"the reranker '{name}' cannot be loaded: {str(error).splitlines()[0]}\n"
            "Give the folder of a cross-encoder, or the id of one on a hub that can be reached."
        ) from error
    check_weights(model.model, f"the reranker '{name}'")
    if model.num_labels != 1:
        raise StudyError(
            f"the reranker '{name}' gives {model.num_labels} numbers for a pair; a cross-encoder "
            "that ranks gives one."
        )
    return CrossEncoderReranker(model)
