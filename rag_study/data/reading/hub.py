"""Data sets from the hub: Parquet sources only, streamed, at a named revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag_study.common.errors import StudyError


def rows(
    repository: str, config: str | None, splits: tuple[str, ...], revision: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) of the splits of one configuration, one row at a time.

    `repository` is a hub id; a folder with a copy of such a repository works as well. No code
    from the repository is run. Raises StudyError, with the way around, when the hub cannot be
    reached or has no such data.
    """
    import datasets

    for split in splits:
        place = f"{repository} (config {config or 'default'}, split {split}, revision {revision})"
        try:
            stream = datasets.load_dataset(
                repository, config, split=split, revision=revision, streaming=True
            )
            for number, row in enumerate(stream, start=1):
                yield f"{place}, row {number}", row
        except StudyError:
            raise
        except (
            Exception
        ) as error:  # datasets, huggingface_hub, httpx and fsspec each have their own
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error)
            raise StudyError(
                f"{place}: cannot be read from the hub ({reason}). Without a connection, get the "
                "original files and name them with `path:`."
            ) from error
