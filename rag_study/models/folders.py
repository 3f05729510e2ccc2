"""What a folder with a model, a tokenizer or an adapter holds, told without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rag_study.common import files

_SETTINGS = (".json", ".jinja", ".model", ".tiktoken")
_VOCABULARIES = ("vocab", "merges")
# What training leaves beside a model, and the index of weights that are never read (pickles).
_NOT_LOADED = ("trainer_state.json", "_results.json", ".bin.index.json")


def revision(folder: Path) -> str:
    """Hash over the contents of what loading reads. Neither the folder's name and place count nor
    times, and not what else lies there."""
    read = loaded_files(folder)
    return files.content_hash([(file.relative_to(folder).as_posix(), file) for file in read])


def kind(folder: Path) -> str:
    """The kind of model ("llama"), "folder" where its configuration does not say."""
    model_type = _json(folder / "config.json", dict).get("model_type")
    return model_type if isinstance(model_type, str) and model_type else "folder"


def loaded_files(folder: Path) -> list[Path]:
    """The files that loading reads: settings, vocabulary and weights.

    A sentence-transformers model has parts in folders of their own. Other folders are left out:
    they hold checkpoints of the training, or the same weights for other programs.
    """
    modules = [
        module for module in _json(folder / "modules.json", list) if isinstance(module, dict)
    ]
    parts = {folder, *(folder / module["path"] for module in modules if module.get("path"))}
    loaded = {*folder.glob("additional_chat_templates/*.jinja")}
    for part in parts:
        loaded |= {file for file in part.glob("*") if _is_setting(file.name)}
        loaded |= {*weights(part)}
    return sorted(file for file in loaded if file.is_file())


def weights(folder: Path) -> list[Path]:
    """The files of weights that are loaded, of all forms in which they may lie in a folder."""
    whole, adapter = folder / "model.safetensors", folder / "adapter_model.safetensors"
    candidates = [file for file in (whole, adapter) if file.is_file()]
    if whole not in candidates:
        index = _json(folder / "model.safetensors.index.json", dict).get("weight_map", {})
        candidates += [folder / name for name in sorted({*index.values()})]
    there = [file for file in candidates if file.is_file()]
    return there or sorted(folder.glob("*.safetensors"))


def _is_setting(name: str) -> bool:
    read = name.endswith(_SETTINGS) or name.startswith(_VOCABULARIES)
    return read and not name.startswith(".") and not name.endswith(_NOT_LOADED)


def _json(path: Path, form: type) -> Any:
    """What a JSON file holds; an empty `form` where there is none, or it holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return form()
    return content if isinstance(content, form) else form()
