"""Rows of Parquet and Arrow files, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_study.common.characters import readable_value
from rag_study.common.errors import StudyError

SUFFIXES = (".parquet", ".arrow")


def rows(path: Path, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row); `label` names the file in messages. Raises StudyError for a file that is
    no such table."""
    import pyarrow

    is_arrow = path.name.lower().endswith(".arrow")
    number = 0
    try:
        for batch in _arrow(path) if is_arrow else _parquet(path):
            for row in batch.to_pylist():
                number += 1
                yield f"{label}, row {number}", readable_value(row)
    except (pyarrow.ArrowException, OSError) as error:
        kind = "Arrow" if is_arrow else "Parquet"
        raise StudyError(f"{label}: is not a readable {kind} file ({error}).") from None


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow.parquet

    yield from pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=64)


def _arrow(path: Path) -> Iterator[Any]:
    """Batches of an Arrow file: `datasets` writes streams, others the form with a footer."""
    import pyarrow.ipc

    with pyarrow.memory_map(str(path)) as mapped:
        is_file = mapped.read(6) == b"ARROW1"
        mapped.seek(0)
        if is_file:
            reader = pyarrow.ipc.open_file(mapped)
            yield from (reader.get_batch(n) for n in range(reader.num_record_batches))
        else:
            yield from pyarrow.ipc.open_stream(mapped)
