import gzip
import io
import json
import os
import tarfile
import zipfile

import pandas as pd
import pytest

from rag_study.common.errors import StudyError
from rag_study.data.reading import source_files as reading
from rag_study.data.reading.source_files import SourceFile, read_json, records, source_files

ROWS = [{"a": 1, "text": "zwölf"}, {"a": 2.5, "text": "x\u2028y"}]


def values(path):
    return [row for file in source_files(path, "test", "rows") for _, row in records(file)]


def lines(rows, end="\n"):
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows).encode()


def pack(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", lines(ROWS)),
        ("x.jsonl", b"\xef\xbb\xbf" + lines(ROWS, "\r\n") + b"\r\n"),
        ("x.json", json.dumps(ROWS).encode()),
        ("x.json", b"\xef\xbb\xbf  " + json.dumps(ROWS, indent=2).replace("\n", "\r\n").encode()),
        ("x.jsonl.gz", gzip.compress(lines(ROWS), mtime=0)),
        ("x.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
    ],
)
def test_every_form_gives_the_same_records(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert values(tmp_path / name) == values(tmp_path) == ROWS


def test_archives_and_parquet(tmp_path):
    members = {"in/b.jsonl": lines(ROWS[1:]), "in/a.json.gz": gzip.compress(b'[{"a": 0}]')}
    members |= {"in/._a.json": b"mac", "__MACOSX/x.json": b"mac", "readme.txt": b"hello"}
    pack(tmp_path / "x.tgz", members)
    assert values(tmp_path / "x.tgz") == [{"a": 0}, ROWS[1]]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert values(tmp_path / "x.zip") == [{"a": 0}, ROWS[1]]
    (folder := tmp_path / "table").mkdir()
    pd.DataFrame(ROWS).to_parquet(folder / "x.parquet")
    assert values(folder) == ROWS


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.jsonl.gz", gzip.compress(lines(ROWS * 500), mtime=0)[:40], "damaged or cut off"),
        ("x.json.gz", b"no gzip at all", "damaged or cut off"),
        ("x.tgz", b"no archive", "archive is damaged"),
        ("x.zip", b"PK no archive", "archive is damaged"),
        ("x.json", json.dumps(ROWS).encode()[:-5], "after record 1"),
        ("x.json", b"[1, 2]", "record 1: must be a JSON object, this is a number"),
        ("x.jsonl", lines(ROWS)[:-4], "line 2: is not JSON"),
        ("x.jsonl", b'"text"\n', "line 1: must be a JSON object, this is text"),
        ("x.jsonl", lines(ROWS) + b"\xff\xfe\n", "line 3: is not UTF-8"),
        ("x.jsonl", b'{"a":' * 100_000, "nested too deeply"),
        ("x.parquet", b"PAR1 no", "not a readable Parquet file"),
    ],
)
def test_damage_is_said_with_file_and_record(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError) as caught:
        values(tmp_path / name)
    assert expected in str(caught.value)
    assert name in str(caught.value)


def test_cut_archives_are_said(tmp_path):
    pack(tmp_path / "x.tgz", {"a.jsonl": lines(ROWS * 5000)})
    (tmp_path / "x.tgz").write_bytes((tmp_path / "x.tgz").read_bytes()[:-600])
    with pytest.raises(StudyError, match="damaged or cut off"):
        values(tmp_path / "x.tgz")


def test_whole_files(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'\xef\xbb\xbf{"data": []}')
    assert read_json(SourceFile(path)) == {"data": []}
    for content, expected in [
        (b"", "is empty"),
        (b'{"a": [', "may be cut off"),
        (b"\xff", "UTF-8"),
    ]:
        path.write_bytes(content)
        with pytest.raises(StudyError, match=expected):
            read_json(SourceFile(path))


def test_places_without_data(tmp_path):
    with pytest.raises(StudyError, match="no such file or folder"):
        source_files(tmp_path / "nowhere", "bioasq", "golden files")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(StudyError, match="expected: golden files"):
        source_files(tmp_path, "bioasq", "golden files")


def test_fingerprints_follow_content_and_are_kept_for_large_files(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    (data := tmp_path / "data").mkdir()
    (data / "x.jsonl").write_bytes(lines(ROWS * 20_000))
    first = reading.fingerprint(data)
    assert len(list((tmp_path / "cache" / "digests").iterdir())) == 1
    times = (data / "x.jsonl").stat()
    (data / "x.jsonl").write_bytes(lines(ROWS * 20_000).replace(b"1", b"2"))
    os.utime(data / "x.jsonl", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert reading.fingerprint(data) != first  # though neither size nor time tells
    (data / "x.jsonl").write_bytes(lines(ROWS * 20_000))
    assert reading.fingerprint(data.rename(tmp_path / "moved")) == first
    (tmp_path / "moved" / "notes.txt").write_text("no data")
    assert reading.fingerprint(tmp_path / "moved") == first
    (tmp_path / "moved" / "y.jsonl").write_bytes(lines(ROWS))
    assert reading.fingerprint(tmp_path / "moved") != first


def test_folders_as_datasets_leaves_them(tmp_path):
    import datasets

    table = datasets.Dataset.from_list([{"a": 1.0, "text": "zwölf"}, {"a": 2.5, "text": "y"}])
    expected = table.to_list()
    table.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict(train=table).save_to_disk(tmp_path / "dict")
    (tmp_path / "saved" / "cache-0123.arrow").write_bytes(b"computed before")
    (hub := tmp_path / "hub").mkdir()
    table.to_parquet(hub / "TRAIN-0.PARQUET")
    (hub / "dataset_infos.json").write_text('{"default": {"splits": {}}}')
    for folder in ("saved", "dict", "hub"):
        assert values(tmp_path / folder) == expected, folder
    with pytest.raises(StudyError, match="not a readable Arrow file"):
        values(tmp_path / "saved" / "cache-0123.arrow")


@pytest.mark.parametrize(
    "content",
    [
        {"version": "1", "data": ROWS},
        {"features": [], "rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_inside_one_object(tmp_path, content, indent):
    (tmp_path / "x.json").write_text(json.dumps(content, indent=indent))
    assert values(tmp_path / "x.json") == ROWS


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"id": {"0": "a"}, "q": {"0": "b"}}', "holds columns, not rows"),
        ('{"columns": ["a"], "index": [0], "data": [[1]]}', "holds columns, not rows"),
        ('{"a": 1, "a": 2}\n{"a": 3}', "line 1: `a` stands there twice"),
        ('{"a": ' + "9" * 5000 + "}\n{}", "line 1: has a number of thousands of digits"),
        ('{"a": "x\0y"}\n{}', "line 1: is not JSON .*NUL bytes"),
    ],
)
def test_what_would_lose_something_is_refused(tmp_path, content, expected):
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(StudyError, match=expected):
        values(tmp_path / "x.jsonl")


def test_values_that_only_some_readers_take(tmp_path):
    (tmp_path / "x.json").write_text('[{"a": NaN, "b": "x \\ud83d"}]')
    (row,) = values(tmp_path / "x.json")
    assert row["a"] != row["a"]
    assert row["b"] == "x \ufffd"
