"""Archives that unpack to far more than they are, of every kind; limits are lowered here."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile

import pytest

from rag_study.common import unpacking
from rag_study.common.errors import StudyError
from rag_study.data.reading import source_files
from rag_study.study.running import archive

MB = 1_000_000
LINE = json.dumps({"id": "a", "text": "x" * 1000}).encode() + b"\n"
DONE = b'{"state": "done"}'


@pytest.fixture(autouse=True)
def _low(monkeypatch):
    monkeypatch.setattr(unpacking, "LEAST_BYTES", 2 * MB)


def bomb(size):
    return LINE * (size // len(LINE))


def tarred(members, compress=gzip.compress):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return compress(raw.getvalue())


def zipped(members):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return raw.getvalue()


def lying_zip(size):
    """A zip whose headers say that its member has ten bytes."""
    raw = bytearray(zipped({"a.jsonl": bomb(size)}))
    with zipfile.ZipFile(io.BytesIO(raw)) as made:
        real = made.infolist()[0].file_size.to_bytes(4, "little")
    return bytes(raw.replace(real, (10).to_bytes(4, "little")))


BOMBS = {
    "a.jsonl.gz": lambda: gzip.compress(bomb(30 * MB)),
    "a.json.gz": lambda: gzip.compress(b"[" + b"1," * (15 * MB) + b"1]"),
    "a.zip": lambda: zipped({"a.jsonl": bomb(30 * MB)}),
    "a.tar.gz": lambda: tarred({"a.jsonl": bomb(30 * MB)}),
    "a.tgz": lambda: tarred({"other.bin": bytes(30 * MB), "a.jsonl": LINE}),
    "twice.tar.gz": lambda: tarred({"a.jsonl.gz": gzip.compress(bomb(30 * MB))}),
    "b.zip": lambda: zipped({"a.jsonl.gz": gzip.compress(bomb(30 * MB))}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_data_that_unpacks_without_measure_is_refused(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(BOMBS[name]())
    assert file.stat().st_size < MB

    def read():
        for source in source_files.source_files(file, "own", "rows"):
            for _ in source_files.records(source):
                pass

    # Not the process's own peak, to which other threads and imports add.
    tracemalloc.start()
    try:
        with pytest.raises(StudyError, match=rf"{name}: unpacks to more than .* MB, which is out"):
            read()
        # Of the array one line of a megabyte is looked at, whatever its length.
        most = 160 if name == "a.json.gz" else 25
        assert tracemalloc.get_traced_memory()[1] < most * MB
    finally:
        tracemalloc.stop()


def test_headers_are_not_believed(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(lying_zip(30 * MB))
    (source,) = source_files.source_files(file, "own", "rows")
    with pytest.raises(StudyError, match=r"unpacks to more|damaged"):
        list(source_files.records(source))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_results_that_unpack_without_measure_are_refused(tmp_path, outputs, compress):
    run = "runs/nap/one-12345678"
    members = {f"{run}/status.json": DONE, f"{run}/big.bin": bytes(30 * MB)}
    file = tmp_path / "study.tar.gz"
    file.write_bytes(tarred(members, compress))
    if compress is bytes:
        assert archive.unpack(file) == (["nap/one-12345678"], [])
        return
    with pytest.raises(StudyError, match="unpacks to more than"):
        archive.unpack(file)
    assert not (outputs / "runs").exists()


def test_too_many_members(tmp_path, outputs, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 100)
    members = {f"runs/nap/one-12345678/{n}.jsonl": b"{}" for n in range(101)}
    for name, made in (("a.tar.gz", tarred(members)), ("a.zip", zipped(members))):
        (tmp_path / name).write_bytes(made)
        with pytest.raises(StudyError, match="more than 100 files"):
            source_files.source_files(tmp_path / name, "own", "rows")
    with pytest.raises(StudyError, match="more than 100 files"):
        archive.unpack(tmp_path / "a.tar.gz")


def test_headers_that_claim_gigabytes_and_sparse_files(tmp_path, outputs):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8_000_000_000
    sparse = tarfile.TarInfo("runs/nap/one-12345678/big")
    sparse.type = tarfile.GNUTYPE_SPARSE
    sparse.size = 0
    block = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"77777777777\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    for name, raw in (
        ("claims", info.tobuf(tarfile.GNU_FORMAT) + b"30 path=x\n".ljust(512, b"\0")),
        ("sparse", bytes(block) + bytes(1024)),
    ):
        file = tmp_path / f"{name}.tar.gz"
        file.write_bytes(gzip.compress(raw))
        with pytest.raises(StudyError, match=r"no whole archive|neither a file|unpacks to more"):
            archive.unpack(file)
    assert not (outputs / "runs").exists()


def test_what_is_in_proportion_is_read(tmp_path):
    rows = [
        json.dumps({"id": n, "text": f"{n * 7919 % 10007:05d}" * 9}).encode() for n in range(60_000)
    ]
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(b"\n".join(rows)))
    source = source_files.source_files(file, "own", "rows")[0]
    assert sum(1 for _ in source_files.records(source)) == len(rows)


def test_the_command_says_so_in_a_sentence(tmp_path, outputs):
    """With the limits as they are: 13 MB that would become 3 GB, made from one piece of gzip."""
    piece = gzip.compress(bytes(100 * MB), 9)
    file = tmp_path / "study.tar.gz"
    info = tarfile.TarInfo("runs/nap/one-12345678/big.bin")
    info.size = 3000 * MB
    file.write_bytes(gzip.compress(info.tobuf()) + piece * 30)
    done = subprocess.run(
        [sys.executable, "-m", "rag_study", "import", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "unpacks to more than 200 MB" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (outputs / "runs").exists()
