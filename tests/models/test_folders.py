import json
import os
import shutil

import pytest

from rag_study.common import files
from rag_study.models import folders, names


@pytest.fixture
def folder(tmp_path):
    """A folder as people have them: a model in several forms, and what training left."""
    root = tmp_path / "model"
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    for name, content in {
        "config.json": '{"model_type": "llama"}',
        "generation_config.json": "{}",
        "tokenizer.json": "{}",
        "tokenizer.model": "words",
        "merges.txt": "a b",
        "chat_template.jinja": "{{ messages }}",
        "additional_chat_templates/rag.jinja": "{{ documents }}",
        "model.safetensors.index.json": json.dumps(index),
        "model-1-of-2.safetensors": "1" * 100,
        "model-2-of-2.safetensors": "2" * 100,
        "consolidated.safetensors": "12" * 100,
        "pytorch_model.bin": "12",
        "pytorch_model.bin.index.json": "{}",
        "trainer_state.json": "{}",
        "all_results.json": "{}",
        "optimizer.pt": "0",
        "README.md": "A model.",
        ".cache/x.json": "{}",
        "checkpoint-500/config.json": "{}",
        "checkpoint-500/model.safetensors": "0",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


READ = (
    *("additional_chat_templates/rag.jinja", "chat_template.jinja", "config.json"),
    *("generation_config.json", "merges.txt", "model-1-of-2.safetensors"),
    *("model-2-of-2.safetensors", "model.safetensors.index.json", "tokenizer.json"),
    "tokenizer.model",
)


def test_what_loading_reads_counts_and_nothing_else(folder):
    before = names.revision_of(str(folder))
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_text()
        path.write_text(f"{content}\n")
        counts = names.revision_of(str(folder)) != before
        assert counts == (path.relative_to(folder).as_posix() in READ), path
        path.write_text(content)
    assert names.revision_of(str(folder)) == before


def test_names_places_and_times_do_not_count(folder, tmp_path):
    before = names.revision_of(str(folder))
    copy = shutil.copytree(folder, tmp_path / "deep" / "another-name")
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert names.revision_of(str(copy)) == before
    assert names.name_in_ids(str(copy)) == names.name_in_ids(str(folder)) == "llama"
    (copy / "merges.txt").rename(copy / "vocab.txt")
    assert names.revision_of(str(copy)) != before


def test_one_file_of_weights_is_preferred_as_in_loading(folder):
    (folder / "model.safetensors").write_text("12")
    assert [path.name for path in folders.weights(folder)] == ["model.safetensors"]


def test_parts_of_an_embedding_model_lie_in_folders_of_their_own(tmp_path):
    (tmp_path / "modules.json").write_text('[{"path": ""}, {"path": "1_Pooling"}]')
    for name in ("1_Pooling", "onnx"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    read = [str(path.relative_to(tmp_path)) for path in folders.loaded_files(tmp_path)]
    assert read == ["1_Pooling/config.json", "modules.json"]


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"model_type": 3}', "\xff"])
def test_a_folder_that_does_not_say_what_it_holds(tmp_path, content):
    (tmp_path / "config.json").write_text(content, encoding="latin-1")
    (tmp_path / "modules.json").write_text(content, encoding="latin-1")
    assert names.name_in_ids(str(tmp_path)) == "folder"
    assert len(names.revision_of(str(tmp_path))) == 16


def test_other_names_stay_as_they_are(tmp_path, monkeypatch):
    (tmp_path / "random-llama").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("random-llama", "owner/name", "http://localhost:1/v1#x", ""):
        assert names.name_in_ids(name) == name


def test_gigabytes_are_read_once_and_shown(folder, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("RAG_STUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    monkeypatch.setattr("rag_study.common.files._SHOWN_BYTES", 1_000)
    (folder / "model-1-of-2.safetensors").write_bytes(bytes(2_000_000))
    before = names.revision_of(str(folder))
    assert "reading files for the run ids" in capfd.readouterr().err
    read, again = files._read_digest, []
    monkeypatch.setattr(
        files, "_read_digest", lambda path, bar: again.append(path.name) or read(path, bar)
    )
    assert names.revision_of(str(folder)) == before
    assert "model-2-of-2.safetensors" in again
    assert "model-1-of-2.safetensors" not in again
    assert "reading" not in capfd.readouterr().err


# --- How many weights ----------------------------------------------------------------------------


def safetensors(path, **shapes):
    header = {n: {"dtype": "F32", "shape": s, "data_offsets": [0, 0]} for n, s in shapes.items()}
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)


def test_weights_are_counted_in_the_files(tmp_path):
    """Whatever their precision: bytes would tell twice as many of float32 as of bfloat16."""
    safetensors(tmp_path / "model.safetensors", a=[300, 20], b=[7], scale=[])
    assert folders.parameters(tmp_path) == names.parameters_of(str(tmp_path)) == 6008


def test_a_model_of_which_a_part_is_missing_is_counted_by_its_configuration(tmp_path):
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    safetensors(tmp_path / "1.safetensors", a=[3])
    assert folders.parameters(tmp_path) is None
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_2_7B))
    assert folders.parameters(tmp_path) == pytest.approx(6.74e9, rel=0.01)


LLAMA_2_7B = {
    "model_type": "llama",
    **{"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32},
    **{"intermediate_size": 11008, "vocab_size": 32000, "tie_word_embeddings": False},
}


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        (LLAMA_2_7B, 6.74e9),
        (
            {
                "model_type": "mixtral",
                **{"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32},
                **{"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000},
                **{"num_local_experts": 8},
            },
            46.7e9,
        ),
        (
            {
                "model_type": "gpt2",
                **{"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257},
                **{"tie_word_embeddings": True},
            },
            0.124e9,
        ),
        (
            {
                "text_config": {
                    **{"model_type": "gemma3_text", "hidden_size": 1152, "head_dim": 256},
                    **{"num_hidden_layers": 26, "num_attention_heads": 4},
                    **{"num_key_value_heads": 1, "intermediate_size": 6912},
                    **{"vocab_size": 262144, "tie_word_embeddings": True},
                }
            },
            1.0e9,
        ),
        ({"model_type": "llama"}, None),
        ({"hidden_size": "wide", "num_hidden_layers": 2, "vocab_size": 3}, None),
    ],
)
def test_weights_by_the_configuration(config, weights):
    found = folders.parameters_by(config)
    assert found is None if weights is None else found == pytest.approx(weights, rel=0.02)


def test_a_hub_id_is_looked_for_in_the_local_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert names.parameters_of("someone/unsaid") is None
    cached = tmp_path / "models--someone--unsaid"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc\n")
    (cached / "snapshots" / "abc").mkdir(parents=True)
    safetensors(cached / "snapshots" / "abc" / "model.safetensors", a=[50, 2])
    assert names.parameters_of("someone/unsaid") == 100
