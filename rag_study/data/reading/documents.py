"""A folder of PDFs, Word files, slides, web pages, Markdown and text as documents.

Each page, slide or section is a document whose title says where it is. What was read of a file is
kept by the file's content in the user's cache folder, so that it is read once.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_study.common import files
from rag_study.common.characters import readable
from rag_study.common.errors import StudyError
from rag_study.common.paths import PACKAGE
from rag_study.common.wording import counted, listed
from rag_study.data.reading import extraction
from rag_study.data.reading.source_files import walk
from rag_study.data.schema import Document

SUFFIXES = tuple(extraction.FORMS)
# Documents too, which somebody would miss: each with what to save it as.
_OTHERS = dict.fromkeys((".doc", ".rtf", ".odt", ".pages", ".wpd"), ".docx")
_OTHERS |= dict.fromkeys((".ppt", ".odp", ".key"), ".pptx") | {".epub": ".html"}
SECONDS_PER_FILE = 300
_NAMED = 5
_SHOWN_BYTES = 2_000_000


@dataclass(frozen=True)
class Found:
    """The files of a folder that hold text, by their name from there on, and those that were
    passed over, with the reason."""

    files: dict[str, Path]
    passed_over: dict[str, str]


def find(place: Path) -> Found:
    """The documents at a place: a folder with its sub-folders, or one file. Hidden files and those
    of other kinds do not count; links that lead out of the folder are passed over."""
    if not place.is_dir():
        return Found({place.name: place}, {})
    found: dict[str, Path] = {}
    passed_over: dict[str, str] = {}
    root = place.resolve()
    for path in walk(place):
        # Names that are no UTF-8 hold halves of characters, which nothing can write.
        name = readable(unicodedata.normalize("NFC", path.relative_to(place).as_posix()))
        while name in found or name in passed_over:
            name = f"{name}_"
        suffix = path.suffix.lower()
        if path.name.startswith(("~$", ".")) or suffix not in (*SUFFIXES, *_OTHERS):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            passed_over[name] = "is a link that leads out of the folder"
        elif suffix in _OTHERS:
            passed_over[name] = f"is {suffix[1:]}, which is not read; save it as {_OTHERS[suffix]}"
        else:
            found[name] = path
    return Found(found, passed_over)


def read(place: Path, most_dropped: float, counts: Counter[str]) -> dict[str, Document]:
    """The documents of all files at a place, by id: "<file>:<part>".

    A file that cannot be read is left out and named in `counts`. Raises StudyError, with the
    reasons, where these are more than the share `most_dropped`, or nothing is left.
    """
    found = find(place)
    unread = dict(found.passed_over)
    documents: dict[str, Document] = {}
    for name, parts in _parts(found.files):
        if isinstance(parts, str):
            unread[name] = parts
            continue
        for part in parts:
            doc_id = f"{name}:{part['name']}" if len(parts) > 1 or part["name"] else name
            page = {} if part["page"] is None else {"page": part["page"]}
            documents[doc_id] = Document(
                doc_id, part["title"], part["text"], extra={"file": name, **page}
            )
    total = len(found.files) + len(found.passed_over)
    if not documents or len(unread) > most_dropped * total:
        raise StudyError(_refused(place, total, unread, most_dropped))
    if unread:
        counts[f"files that are left out: {_reasons(unread)}"] = len(unread)
    counts["files with documents"] = total - len(unread)
    return documents


def _refused(place: Path, total: int, unread: dict[str, str], most: float) -> str:
    if not total:
        return f"{place}: there are no documents here ({', '.join(SUFFIXES)})."
    share = "" if len(unread) == total else f" At most {most:.0%} may be (`max_dropped`)."
    files = counted(total, "file")
    return f"{place}: {len(unread):,} of {files} cannot be read: {_reasons(unread)}.{share}"


def _reasons(unread: dict[str, str]) -> str:
    shown = [f"{name} {reason}" for name, reason in sorted(unread.items())[:_NAMED]]
    more = len(unread) - len(shown)
    return "; ".join([*shown, *([f"and {more:,} more"] if more else [])])


def _parts(named: dict[str, Path]) -> Iterator[tuple[str, list[dict[str, Any]] | str]]:
    """The parts of each file, or why there are none."""
    readable, problems = {}, {}
    for name, path in named.items():
        most = extraction.FORMS[path.suffix.lower()].most_bytes
        try:
            size = path.stat().st_size
        except OSError as error:
            problems[name] = f"cannot be read ({error.strerror})"
            continue
        if size > most:
            problems[name] = (
                f"has {size / 1e6:,.0f} MB; at most {most / 1e6:.0f} MB of this kind are read, so "
                "divide it"
            )
        else:
            readable[name] = path
    try:
        digests = files.digests([*readable.values()])
    except OSError as error:
        raise StudyError(f"{error.filename}: cannot be read ({error.strerror}).") from None
    kept = {name: _kept(d, readable[name]) for name, d in zip(readable, digests, strict=True)}
    unread = {name: readable[name] for name, place in kept.items() if not place.exists()}
    with _reader() as reader, _bar(unread) as advance:
        for name in named:
            if name in problems:
                yield name, problems[name]
                continue
            if name in unread and not kept[name].exists():  # the same file may be there twice
                problem = reader(readable[name], kept[name])
                advance(readable[name])
                if problem != "done":
                    yield name, problem
                    continue
            yield name, files.read_jsonl(kept[name])


def _kept(digest: str, path: Path) -> Path:
    """Where the parts of a file are kept; titles have the file's name."""
    key = f"{extraction.VERSION}|{digest}|{path.name}"
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return files.cache_dir() / "documents" / f"{name}.jsonl"


@contextmanager
def _bar(unread: dict[str, Path]) -> Iterator[Any]:
    from tqdm.auto import tqdm

    total = sum(path.stat().st_size for path in unread.values())
    quiet = total < _SHOWN_BYTES or not (sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ)
    with tqdm(
        desc="reading documents, once", total=total, unit="B", unit_scale=True, disable=quiet
    ) as bar:
        yield lambda path: bar.update(path.stat().st_size)


@contextmanager
def _reader() -> Iterator[Any]:
    """A function that has a process read a file to a place, and says "done" or why not."""
    process: subprocess.Popen | None = None

    def start() -> subprocess.Popen:
        path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-m", extraction.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )

    def read_file(path: Path, target: Path) -> str:
        nonlocal process
        process = process or start()
        line = json.dumps([str(path), str(target)]) + "\n"
        try:
            process.stdin.write(line.encode())
            process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                answered = selector.select(SECONDS_PER_FILE)
            reply = process.stdout.readline() if answered else b""
        except BrokenPipeError:
            answered, reply = True, b""
        if reply:
            return json.loads(reply)
        process.kill()
        process.communicate()
        process = None
        if not answered:
            return f"takes more than {SECONDS_PER_FILE} seconds to read; divide it"
        return "ends the program that reads it; it is damaged, or takes too much memory"

    try:
        yield read_file
    finally:
        if process is not None:
            process.kill()
            process.communicate()


def kinds(found: Found) -> str:
    """How many files of which kind, in words: "12 pdf and 3 docx"."""
    of = Counter(path.suffix.lower()[1:] for path in found.files.values())
    return listed([f"{number} {kind}" for kind, number in of.most_common()]) if of else "none"


def named_files(place: Path) -> Sequence[tuple[str, Path]]:
    """The files that `read` reads, each with the name that it counts by in run ids."""
    return sorted(find(place).files.items())
