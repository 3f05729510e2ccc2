import os

import pandas as pd
import pytest

from rag_study.common import files


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"a": float("nan")})

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_json(path, {"a": 2})
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_whole_or_not_there_also_after_a_kill(tmp_path):
    folder, left = tmp_path / "adapter", tmp_path / ".new-adapter"
    left.mkdir()  # by a writer that was killed
    (left / "half").write_text("{")

    def fail(staging):
        (staging / "new").write_text("2")
        raise OSError("disk full")

    files.write_folder(folder, lambda staging: (staging / "old").write_text("1"))
    with pytest.raises(OSError, match="disk full"):
        files.write_folder(folder, fail)
    assert [path.name for path in folder.iterdir()] == ["old"]
    files.write_folder(folder, lambda staging: (staging / "new").write_text("2"))
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_half_written_folders_are_swept_away_too(tmp_path):
    (left := tmp_path / "deep" / ".new-adapter").mkdir(parents=True)
    (left / ".new-weights").write_text("half")
    files.sweep(tmp_path)
    assert list((tmp_path / "deep").iterdir()) == []


def test_tables_read_back(tmp_path):
    table = pd.DataFrame({"context": ["none", "oracle"], "score": [0.5, None]})
    files.write_parquet(tmp_path / "deep" / "t.parquet", table)
    files.write_csv(tmp_path / "deep" / "t.csv", table)
    assert pd.read_parquet(tmp_path / "deep" / "t.parquet").equals(table)
    assert (tmp_path / "deep" / "t.csv").read_text() == "context,score\nnone,0.5\noracle,\n"


def test_parameters_read_back_as_yaml(tmp_path):
    from ruamel.yaml import YAML

    content = {"contexts": ["none", "oracle"], "learning_rate": 2e-4, "dataset_path": "", "n": 1}
    files.write_yaml(tmp_path / "params.yaml", content)
    assert YAML(typ="safe").load(tmp_path / "params.yaml") == content
