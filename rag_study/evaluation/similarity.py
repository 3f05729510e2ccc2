"""How near the embedding of an answer is to those of the reference answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag_study.data.schema import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag_study.retrieval.embedding import Embedder


def semantic_similarity(
    embedder: Embedder, answers: Sequence[str], questions: Sequence[Question]
) -> list[float]:
    """Cosine of each answer's embedding with that of the nearest right answer of its question.

    In 0..1: negative cosines and empty answers are 0. All texts are embedded in one call, each
    distinct one once. What is beyond the embedding model's window is not read.
    """
    texts = sorted({*answers, *(text for q in questions for text in _right(q))} - {""})
    vectors = dict(zip(texts, embedder.embed(texts), strict=True)) if texts else {}
    return [
        max(0.0, *(float(vectors[answer] @ vectors[text]) for text in _right(question)))
        if answer
        else 0.0
        for answer, question in zip(answers, questions, strict=True)
    ]


def _right(question: Question) -> tuple[str, ...]:
    return (*question.answers, question.reference)
