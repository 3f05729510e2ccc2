"""Files that are whole or not there.

Everything that a study writes goes beside its place first and is then renamed into it, so that
whatever is killed, whenever, nothing half-written is ever taken for a result.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_study.common import cells, secrets
from rag_study.common.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

_STAGING = ".new-"
# Digests of larger files are kept. Reading more than the second takes seconds, and is shown.
_KEPT_BYTES, _SHOWN_BYTES = 1_000_000, 500_000_000


def cache_dir() -> Path:
    """Folder for what can be made again: $RAG_STUDY_CACHE, else in the user's cache folder."""
    explicit = os.environ.get("RAG_STUDY_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rag-study"


def write_text(path: Path, text: str) -> None:
    """Write a text file, without secrets, that is whole or not there."""
    text = secrets.hidden(text)
    write_with(path, lambda file: Path(file).write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is whole or not there. NaN has no place in JSON and is refused."""
    content = secrets.hidden(content)
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, whole or not there."""

    def write(name: str) -> None:
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(
                json.dumps(secrets.hidden(row), ensure_ascii=False) + "\n" for row in rows
            )

    write_with(path, write)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read what `write_jsonl` wrote; only line feeds end a line, whatever else the texts hold."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write a mapping as YAML (papermill takes it with `-f`), whole or not there."""
    write_text(path, yaml_text(content))


def yaml_text(content: dict[str, Any]) -> str:
    """A mapping as YAML."""
    from ruamel.yaml import YAML

    text = io.StringIO()
    YAML().dump(content, text)
    return text.getvalue()


def read_yaml(path: Path) -> dict[str, Any]:
    """Read what `write_yaml` wrote, or people. Raises YAMLError as `parse_yaml` does."""
    return parse_yaml(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """What a text in YAML says. Raises YAMLError for whatever is wrong with it: the parser has
    errors of other kinds for a month 13, numbers of thousands of digits, a thousand brackets."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise
    except RecursionError:
        raise YAMLError("it is nested too deeply") from None
    except Exception as error:
        raise YAMLError(f"{error}: for a text, put it into quotes") from None


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet with a checksum of every page, whole or not there."""
    write_with(path, lambda file: table.to_parquet(file, index=False, write_page_checksum=True))


def read_parquet(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read what `write_parquet` wrote. Raises StudyError for a file that is damaged."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path, columns=columns, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise StudyError(
            f"{path}: this table is damaged and cannot be read ({words[0]}). Delete it, and have "
            "what it belongs to made again: `rag-study run`, or `rag-study report` for the tables "
            "of a study."
        ) from None


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not there. A text that a spreadsheet would take for a formula
    has an apostrophe before it; `read_csv` takes it away."""
    written = table.rename(columns=lambda name: cells.escape(str(name)))
    returns = False
    for place in range(written.shape[1]):
        if written.iloc[:, place].dtype.kind not in "biufc":
            texts = written.iloc[:, place].map(_cell)
            written.isetitem(place, texts)
            returns = returns or any("\r" in text for text in texts if isinstance(text, str))
    # Only what ends this file's own lines is quoted otherwise; readers end a line at \r as well.
    quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    write_with(path, lambda file: written.to_csv(file, index=False, quoting=quoting))


def read_csv(path: Path, texts: Collection[str] = ()) -> pd.DataFrame:
    """Read what `write_csv` wrote: its texts as they were; numbers, or truth values, where a column
    has nothing else. Columns of `texts` hold texts also where all of them look like numbers."""
    import pandas as pd

    read = pd.read_csv(path, dtype=str, keep_default_na=False).rename(columns=cells.unescape)
    for name, column in read.items():
        filled = column != ""
        numbers = pd.to_numeric(column.where(filled), errors="coerce")
        if name in texts or not filled.any():
            read[name] = column.map(cells.unescape)
        elif column.isin(["True", "False"]).all():
            read[name] = column == "True"
        elif (numbers.notna() == filled).all():
            read[name] = numbers
        else:
            read[name] = column.map(cells.unescape)
    return read


def _cell(value: Any) -> Any:
    return cells.escape(value) if isinstance(value, str) else value


def content_hash(named: Sequence[tuple[str, Path]]) -> str:
    """Hash over files, each as (the name it counts by, its path): names and contents count, places
    and times do not."""
    content = zip((name for name, _ in named), digests([path for _, path in named]), strict=True)
    return hashlib.sha256(json.dumps(list(content)).encode()).hexdigest()[:16]


def digests(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of each file. Those of large files are kept by place, size and times, so that
    planning a study does not read gigabytes again; reading them shows a bar."""
    places = {path: _digest_place(path) for path in paths}
    unread = sum(path.stat().st_size for path in paths if not places[path].exists())
    bar = None
    if unread > _SHOWN_BYTES:
        from tqdm.auto import tqdm

        shown = sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ
        title = "reading files for the run ids, once"
        bar = tqdm(desc=title, total=unread, unit="B", unit_scale=True, disable=not shown)
    hashes = []
    for path, place in places.items():
        if place.exists():
            hashes.append(place.read_text(encoding="utf-8"))
            continue
        hashes.append(_read_digest(path, bar.update if bar is not None else None))
        if path.stat().st_size > _KEPT_BYTES:
            write_text(place, hashes[-1])
    if bar is not None:
        bar.close()
    return hashes


def _digest_place(path: Path) -> Path:
    status = path.stat()
    # The time of change (ctime) beside that of modification, which archives and `cp -p` set.
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"
    return cache_dir() / "digests" / hashlib.sha256(os.fsencode(key)).hexdigest()


def _read_digest(path: Path, advance: Callable[[int], Any] | None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return digest.hexdigest()


def scratch(folder: Path) -> tempfile.TemporaryDirectory:
    """A folder in `folder` for a while; where its process is killed, `sweep` deletes it."""
    return tempfile.TemporaryDirectory(prefix=_STAGING, dir=folder)


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
    staging = str(path.with_name(f"{_STAGING}{uuid.uuid4().hex[:16]}{path.suffix}"))
    # Who may read it the process's own umask says.
    os.close(os.open(staging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        writer(staging)
        with open(staging, "rb") as file:
            os.fsync(file.fileno())
        os.replace(staging, path)
    except BaseException:
        Path(staging).unlink(missing_ok=True)
        raise
