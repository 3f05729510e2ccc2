import os

import pandas as pd
import pytest

from rag_study import files


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
