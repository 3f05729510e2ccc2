"""What can be asked of the retrieval, checked without loading any model."""

from __future__ import annotations

from rag_study.common.errors import StudyError
from rag_study.models import names

RETRIEVERS = ("dense", "bm25", "hybrid")
SPECIAL_TOKENS = 2  # that the embedding model puts around every text


def check_chunking(
    chunk_size: int, chunk_overlap: int, room: int | None = names.EMBEDDING_WINDOW - SPECIAL_TOKENS
) -> None:
    """Raise StudyError for chunks that the embedding model could not read whole, or whose overlap
    leaves no room for new text. All in tokens of that model; `room` is what it reads of a passage,
    None where that is not known yet."""
    if room is not None and not 1 <= chunk_size <= room:
        raise StudyError(
            f"chunk_size {chunk_size}: the embedding model reads {room} tokens and "
            f"would silently ignore the rest. Give a number from 1 to {room}."
        )
    if not 0 <= chunk_overlap < chunk_size:
        raise StudyError(
            f"chunk_overlap {chunk_overlap}: it must be at least 0 and smaller than "
            f"chunk_size ({chunk_size}), or no chunk brings new text."
        )


def check_retriever(retriever: str) -> None:
    """Raise StudyError for a name that is not in RETRIEVERS."""
    if retriever not in RETRIEVERS:
        raise StudyError(f"unknown retriever '{retriever}'; known: {', '.join(RETRIEVERS)}")
