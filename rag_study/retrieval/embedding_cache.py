"""Vectors on disk by the content of their texts, so that no text is embedded twice."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_study.common import files

if TYPE_CHECKING:
    import pyarrow as pa


def key_of(text: str) -> str:
    """SHA-256 of the text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _column(path: Path, name: str) -> pa.ChunkedArray:
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=[name], page_checksum_verification=True).column(name)


class EmbeddingCache:
    """Vectors of one model in one folder: Parquet files that are whole or not there.

    Each `write` adds one file, named by its content, so that processes that work at the same time
    never disturb each other. A file that cannot be read counts as absent: what it held is made
    again.
    """

    def __init__(self, folder: Path, dimensions: int):
        self._folder = folder
        self._dimensions = dimensions

    def read(self, keys: Collection[str]) -> dict[str, np.ndarray]:
        """The vectors, (dimensions,) float32, of those keys that are here.

        One file is in memory at a time, and of files without a wanted key only the keys are read.
        """
        import pyarrow as pa

        wanted, vector_of = set(keys), {}
        for path in sorted(self._folder.glob("[0-9a-f]*.parquet")):
            if not wanted:
                break
            try:
                stored = _column(path, "key").to_pylist()
                rows = [row for row, key in enumerate(stored) if key in wanted]
                if not rows:
                    continue
                vectors = _column(path, "vector").take(rows)
            except (OSError, pa.ArrowException):
                continue
            for row, vector in zip(rows, vectors.to_pylist(), strict=True):
                if len(vector) == 4 * self._dimensions:
                    vector_of[stored[row]] = np.frombuffer(vector, dtype="<f4")
                    wanted.discard(stored[row])
        return vector_of

    def write(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep vectors, (dimensions,) float32 each, by their keys."""
        import pandas as pd

        table = pd.DataFrame(
            {"key": list(vectors), "vector": [v.astype("<f4").tobytes() for v in vectors.values()]}
        )
        name = hashlib.sha256("".join(vectors).encode()).hexdigest()[:32]
        files.write_parquet(self._folder / f"{name}.parquet", table)
