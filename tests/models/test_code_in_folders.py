"""Folders that would have code of their own run: refused while planning and while loading."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from rag_study.common.errors import StudyError
from rag_study.models import folders, loading
from rag_study.models.random_llama import build
from rag_study.retrieval import reranking
from rag_study.retrieval.embedding_loading import load_embedding

EVIL = "from pathlib import Path\nPath({place!r}).write_text('run')\n"


@pytest.fixture
def run_by(tmp_path):
    """The file that any of the code here would write."""
    return tmp_path / "was-run"


@pytest.fixture
def folder(tmp_path, run_by):
    """A model with code beside it that nothing asks for yet."""
    model, tokenizer = build()
    place = tmp_path / "wild"
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    for name in ("modeling_wild.py", "tokenization_wild.py", "configuration_wild.py"):
        (place / name).write_text(EVIL.format(place=str(run_by)) + "class Wild: pass\n")
    (place / "custom_generate").mkdir()
    (place / "custom_generate" / "generate.py").write_text(EVIL.format(place=str(run_by)))
    return place


def change(file, **settings):
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | settings))


class Bomb:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.write_text, (Path(self.place), "run")


CODE = {
    "a model": ("config.json", {"auto_map": {"AutoModelForCausalLM": "modeling_wild.Wild"}}),
    "its settings": ("config.json", {"auto_map": {"AutoConfig": "configuration_wild.Wild"}}),
    "another's": ("config.json", {"auto_map": {"AutoConfig": "who/else--configuration_wild.Wild"}}),
    "a tokenizer": (
        "tokenizer_config.json",
        {"auto_map": {"AutoTokenizer": ["tokenization_wild.Wild", None]}, "tokenizer_class": "W"},
    ),
    "its own kind": (
        "config.json",
        {"model_type": "wild", "auto_map": {"AutoConfig": "configuration_wild.Wild"}},
    ),
    "generation": ("generation_config.json", {"custom_code": "custom_generate/generate.py"}),
}


@pytest.mark.parametrize("kind", CODE)
def test_code_is_neither_run_nor_asked_about(folder, run_by, write_study, kind):
    name, settings = CODE[kind]
    change(folder / name, **settings)
    for load in (loading.load_generator, loading.load_tokenizer, reranking.load_cross_encoder):
        with pytest.raises(StudyError, match=r"never run|names code") as caught:
            load(str(folder))
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
    study = write_study(models=[str(folder)])
    done = subprocess.run(
        [sys.executable, "-m", "rag_study", "plan", str(study)],
        capture_output=True,
        text=True,
        input="y\ny\n",
        check=False,
    )
    assert done.returncode == 2
    assert "never run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not run_by.exists()


def test_a_model_beside_which_code_lies_unused_is_loaded(folder, run_by):
    assert loading.load_generator(str(folder)).max_length
    assert not run_by.exists()


def test_a_model_of_the_hub_that_needs_code_is_one_sentence(folder, run_by, tmp_path, monkeypatch):
    """What lies in the hub's cache is not looked at as a folder is; transformers refuses it."""
    change(folder / "config.json", model_type="wild")
    change(folder / "config.json", auto_map={"AutoConfig": "configuration_wild.Wild"})
    monkeypatch.setattr(loading, "folder_of", lambda name: None)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(StudyError, match=r"code that comes with it, which is never run\. Use"):
        loading.load_generator(str(folder))
    assert not run_by.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "adapter_model.bin"])
def test_pickles_are_never_read(folder, run_by, tmp_path, name):
    bomb = pickle.dumps(Bomb(str(run_by)))
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(bomb)
    for load in (loading.load_generator, reranking.load_cross_encoder, load_embedding):
        with pytest.raises(StudyError, match=r"pickles \(\.bin\)"):
            load(str(folder))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    change(adapter / "adapter_config.json", peft_type="LORA", r=2, target_modules=["q_proj"])
    (adapter / "adapter_model.bin").write_bytes(bomb)
    with pytest.raises(StudyError, match=r"pickles \(\.bin\)"):
        loading.load_generator("random-llama", adapter_dir=adapter)
    assert not run_by.exists()


def test_an_embedding_model_with_a_class_of_its_own(folder, run_by, write_study):
    modules = [{"idx": 0, "name": "0", "path": "", "type": "modeling_wild.Wild"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(StudyError, match=r"class 'modeling_wild.Wild'.*never run"):
        load_embedding(str(folder))
    study = write_study(retrieval={"embedding_model": str(folder)})
    done = subprocess.run(
        [sys.executable, "-m", "rag_study", "plan", str(study)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "modeling_wild.Wild" in done.stderr
    assert not run_by.exists()


def test_what_training_leaves_beside_weights_does_no_harm(folder):
    (folder / "training_args.bin").write_bytes(b"x")
    (folder / "optimizer.pt").write_bytes(b"x")
    folders.check(folder, "model")
