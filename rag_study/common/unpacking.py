"""Compressed files from elsewhere, which may unpack to more than any disk or memory holds.

What counts is what comes out, not what a header says of it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rag_study.common.errors import StudyError

# Texts and tables unpack to three to twenty times their size; the first is for what is small.
LEAST_BYTES, MOST_TIMES = 200_000_000, 50
MOST_MEMBERS = 200_000
# What tarfile and decompressors raise; MemoryError where a header claims a name of gigabytes.
DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, MemoryError, OverflowError)


def limited(stream: IO[bytes], source: Path) -> io.BufferedReader:
    """The unpacked bytes of a stream out of the file `source`; reading more of them than such a
    file may hold raises StudyError."""
    most = max(LEAST_BYTES, MOST_TIMES * source.stat().st_size)
    return io.BufferedReader(_Limited(stream, source, most), 1 << 16)


def check_members(number: int, source: Path) -> None:
    """Raise StudyError where an archive has more members than any of ours."""
    if number > MOST_MEMBERS:
        raise StudyError(
            f"{source}: holds more than {MOST_MEMBERS:,} files; it is not read. Pack it anew, in "
            "larger files."
        )


@contextmanager
def open_tar(source: Path) -> Iterator[tuple[tarfile.TarFile, list[tarfile.TarInfo]]]:
    """A tar archive, compressed or not, and its members; read to its end, where a checksum stands.

    Raises StudyError for one that unpacks to too much, and what tarfile and its decompressors raise
    for one that is damaged.
    """
    with (
        _unpacked(source) as stream,
        limited(stream, source) as content,
        tarfile.open(fileobj=content, mode="r:") as archive,
    ):
        members = []
        for member in archive:
            members.append(member)
            check_members(len(members), source)
        while content.read(1 << 20):
            pass
        yield archive, members


def _unpacked(source: Path) -> IO[bytes]:
    with source.open("rb") as file:
        start = file.read(6)
    for sign, opened in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open)):
        if start.startswith(sign):
            return opened(source)
    return source.open("rb")


class _Limited(io.RawIOBase):
    """A stream up to a length, behind which it raises."""

    def __init__(self, stream: IO[bytes], source: Path, most: int):
        self._stream, self._source, self._most, self._at = stream, source, most, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        # To seek forwards is to unpack what lies between.
        if whence == io.SEEK_CUR:
            offset += self._at
        if whence == io.SEEK_END or offset > self._most:
            self._refuse()
        self._at = self._stream.seek(offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        self._at += len(part)
        if self._at > self._most:
            self._refuse()
        return len(part)

    def _refuse(self) -> None:
        raise StudyError(
            f"{self._source}: unpacks to more than {self._most / 1e6:,.0f} MB, which is out of "
            f"proportion to its {self._source.stat().st_size / 1e6:,.1f} MB; it is not read. If "
            "it is what you expect, decompress it yourself (gunzip, unxz) and name what comes out."
        )
