"""Files that are whole or not there.

Everything that a study writes goes beside its place first and is then renamed into it, so that
whatever is killed, whenever, nothing half-written is ever taken for a result.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_STAGING = ".new-"


def cache_dir() -> Path:
    """Folder for what can be made again: $RAG_STUDY_CACHE, else in the user's cache folder."""
    explicit = os.environ.get("RAG_STUDY_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rag-study"


def write_text(path: Path, text: str) -> None:
    """Write a text file that is whole or not there."""
    write_with(path, lambda file: Path(file).write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is whole or not there. NaN has no place in JSON and is refused."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, whole or not there."""

    def write(name: str) -> None:
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    write_with(path, write)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read what `write_jsonl` wrote; only line feeds end a line, whatever else the texts hold."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write a mapping as YAML (papermill takes it with `-f`), whole or not there."""
    from ruamel.yaml import YAML

    text = io.StringIO()
    YAML().dump(content, text)
    write_text(path, text.getvalue())


def read_yaml(path: Path) -> dict[str, Any]:
    """Read what `write_yaml` wrote."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, whole or not there."""
    write_with(path, lambda file: table.to_parquet(file, index=False))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not there."""
    write_with(path, lambda file: table.to_csv(file, index=False))


def sweep(folder: Path) -> None:
    """Delete what writers left behind that were killed. For who alone writes to the folder."""
    for path in list(folder.rglob(f"{_STAGING}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a writer that was killed has left this file or folder behind."""
    return path.name.startswith(_STAGING)


def settle(folder: Path) -> None:
    """Have everything in a folder on the disk itself, whoever wrote it: after a power cut, what a
    later file says of these must be true."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_file() or path.is_dir():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def write_folder(path: Path, writer: Callable[[Path], Any]) -> None:
    """Have `writer` fill a folder under another name, then put it in the place of what is there.

    For who alone writes this folder: what an earlier writer left that was killed is deleted.
    """
    staging = path.with_name(f"{_STAGING}{path.name}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        writer(staging)
        settle(staging)
        shutil.rmtree(path, ignore_errors=True)
        staging.rename(path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_with(path: Path, writer: Callable[[str], Any]) -> None:
    """Have `writer` write the file under another name, then give it its own: whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, staging = tempfile.mkstemp(dir=path.parent, prefix=_STAGING, suffix=path.suffix)
    os.close(handle)
    try:
        writer(staging)
        with open(staging, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(staging, 0o644)
        os.replace(staging, path)
    except BaseException:
        Path(staging).unlink(missing_ok=True)
        raise
