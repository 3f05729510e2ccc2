import os
import random

import pytest

from rag_study.common import checksums, files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three files, with their checksums on record."""
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "run"
    for name in ("a.bin", "inside/b.bin", "inside/c.bin"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(random.Random(name).randbytes(3000))
    checksums.record(place, checksums.all_files(place))
    return place


def flip(file, bit):
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def test_every_bit_of_a_signed_file_counts(tmp_path):
    file = tmp_path / "signed.json"
    content = {"state": "done", "extent": {"none": 40}, "seconds": 1.5, "message": "“é”\t"}
    checksums.write_signed(file, content)
    good = file.read_bytes()
    assert checksums.read_signed(file) == content
    for bit in range(8 * len(good)):
        flip(file, bit)
        try:
            read = checksums.read_signed(file, needed=False)
        except ValueError:
            pass
        else:  # the checksum's own key may be another now: then there is a key too many
            assert read == content or set(read) - set(content)
        file.write_bytes(good)


def test_what_cannot_stand_in_a_file_is_no_damage_to_it(tmp_path, monkeypatch):
    file, key = tmp_path / "signed.json", "sk-9f8e7d6c5b4a/+=="
    monkeypatch.setenv("RAG_STUDY_API_KEY", key)
    message = f"refused: {key}, and half of a character \udc9f"
    checksums.write_signed(file, {"message": message, "extent": {"none": 4}})
    monkeypatch.delenv("RAG_STUDY_API_KEY")
    read = checksums.read_signed(file)
    assert read["extent"] == {"none": 4}
    assert "9f8e7d6c5b4a" not in read["message"]


def test_what_was_written_without_a_checksum_is_read_where_that_is_allowed(tmp_path):
    files.write_json(tmp_path / "old.json", {"state": "done"})
    assert checksums.read_signed(tmp_path / "old.json", needed=False) == {"state": "done"}
    with pytest.raises(ValueError, match="not what its checksum says"):
        checksums.read_signed(tmp_path / "old.json")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda file: flip(file, 8 * 1234 + 5), "its content is not what was written"),
        (lambda file: os.truncate(file, 2000), "has 2,000 bytes, and 3,000 were written"),
        (lambda file: file.unlink(), "is missing"),
    ],
)
@pytest.mark.parametrize("quick", [False, True])
def test_damage_is_found_and_named(folder, damage, what, quick):
    assert checksums.damages(folder, quick=quick) == []
    file = folder / "inside" / "b.bin"
    damage(file)
    assert list(map(str, checksums.damages(folder, quick=quick))) == [f"{file}: {what}"]
    assert checksums.damages(folder, of="a.bin".__eq__, quick=quick) == []


def test_bytes_that_change_by_themselves_are_found_by_who_uses_them(folder):
    file = folder / "a.bin"
    assert checksums.damages(folder, quick=True) == []
    reads = []
    good, stat = file.read_bytes(), file.stat()
    flip(file, 77)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    reads.append(checksums.damages(folder))
    assert [damage.path for damage in reads[0]] == [file]
    assert checksums.damages(folder, quick=True) == reads[0]  # the time of change tells
    file.write_bytes(good)
    assert checksums.damages(folder, quick=True) == []


def test_a_damaged_record_is_damage(folder):
    flip(folder / checksums.RECORD_FILE, 999)
    assert [damage.path.name for damage in checksums.damages(folder)] == [checksums.RECORD_FILE]
    (folder / checksums.RECORD_FILE).unlink()
    assert checksums.damages(folder) == []  # as folders of earlier versions are


def test_files_are_added_to_a_record(folder):
    (folder / "log.txt").write_text("begun")
    (folder / "a.bin").write_bytes(b"again")
    checksums.add(folder, ["log.txt", "a.bin", "not there"])
    assert checksums.damages(folder) == []
    assert set(checksums.recorded(folder)["files"]) == {
        *("a.bin", "log.txt", "inside/b.bin", "inside/c.bin")
    }
    (folder / "log.txt").write_text("ended")
    assert [damage.path.name for damage in checksums.damages(folder)] == ["log.txt"]
