"""What a folder with a model, a tokenizer or an adapter holds, told without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rag_study.common import files
from rag_study.common.errors import StudyError

_SETTINGS = (".json", ".jinja", ".model", ".tiktoken")
_VOCABULARIES = ("vocab", "merges")
# What training leaves beside a model, and the index of weights that are never read (pickles).
_NOT_LOADED = ("trainer_state.json", "_results.json", ".bin.index.json")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
# Keys of settings that name classes or functions in Python files beside them.
_CODE_KEYS = ("auto_map", "custom_code", "custom_generate")


def revision(folder: Path) -> str:
    """Hash over the contents of what loading reads. Neither the folder's name and place count nor
    times, and not what else lies there."""
    read = loaded_files(folder)
    return files.content_hash([(file.relative_to(folder).as_posix(), file) for file in read])


def check(folder: Path, what: str) -> None:
    """Raise StudyError where loading a folder would have to run what comes with it.

    `what` names it in the message: "model 'name'". Looked for are settings that name code, parts of
    a sentence-transformers model in packages of their own, and weights that are pickles only.
    """
    for file in loaded_files(folder):
        settings = _json(file, dict) if "config" in file.name else {}  # no vocabulary of megabytes
        if key := next((key for key in _CODE_KEYS if settings.get(key)), None):
            raise StudyError(
                f"{what}: `{key}` in {file} names code that comes with it, which is never run. "
                f"Take a version without; or, where its kind is one that transformers itself has, "
                f"delete `{key}` there."
            )
    for module in _modules(folder):
        if not str(module.get("type", "")).startswith("sentence_transformers."):
            raise StudyError(
                f"{what}: {folder / 'modules.json'} names the class {module.get('type')!r}, code "
                "that is not part of sentence-transformers and is never run. Take another model."
            )
    if found := next((part for part in _parts(folder) if has_only_pickles(part)), None):
        raise StudyError(
            f"{what} cannot be used: its weights in {found} are pickles (.bin), which can run any "
            "code and are not read; save it as safetensors."
        )


def has_only_pickles(folder: Path) -> bool:
    """Whether there are weights that are never read, and none in safetensors."""
    return not weights(folder) and any(next(folder.glob(form), None) for form in _PICKLES)


def kind(folder: Path) -> str:
    """The kind of model ("llama"), "folder" where its configuration does not say."""
    model_type = _json(folder / "config.json", dict).get("model_type")
    return model_type if isinstance(model_type, str) and model_type else "folder"


def loaded_files(folder: Path) -> list[Path]:
    """The files that loading reads: settings, vocabulary and weights.

    A sentence-transformers model has parts in folders of their own. Other folders are left out:
    they hold checkpoints of the training, or the same weights for other programs.
    """
    loaded = {*folder.glob("additional_chat_templates/*.jinja")}
    for part in _parts(folder):
        loaded |= {file for file in part.glob("*") if _is_setting(file.name)}
        loaded |= {*weights(part)}
    return sorted(file for file in loaded if file.is_file())


def _parts(folder: Path) -> list[Path]:
    paths = [module["path"] for module in _modules(folder) if module.get("path")]
    return [folder, *(folder / path for path in dict.fromkeys(paths))]


def _modules(folder: Path) -> list[dict[str, Any]]:
    """The parts of a sentence-transformers model, as it lists them; of others none."""
    listed = _json(folder / "modules.json", list)
    return [module for module in listed if isinstance(module, dict)]


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
