"""What a folder with a model, a tokenizer or an adapter holds, told without loading it."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from rag_study.common import files
from rag_study.common.errors import StudyError

_SETTINGS = (".json", ".jinja", ".model", ".tiktoken")
_VOCABULARIES = ("vocab", "merges")
# What training leaves beside a model, and the index of weights that are never read (pickles).
_LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
# Kinds of models whose feed-forward blocks have two matrices; those of others have a third, a gate.
_UNGATED = {"gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "bloom", "falcon", "phi", "codegen",
            "gpt_bigcode", "starcoder2", "mpt", "stablelm_alpha"}  # fmt: skip
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


def parameters(folder: Path) -> float | None:
    """How many weights the model in a folder has: counted in the headers of its safetensors, else
    worked out from its configuration. None where neither tells."""
    files_there = weights(folder)
    index = _json(folder / "model.safetensors.index.json", dict).get("weight_map", {})
    if files_there and {*index.values()} <= {file.name for file in files_there}:
        return float(sum(map(_weights_in, files_there))) or None
    return parameters_by(_json(folder / "config.json", dict))


def parameters_by(config: dict[str, Any]) -> float | None:
    """About how many weights a decoder with this configuration has: embeddings, and in each layer
    attention and a feed-forward block (of a mixture, one per expert). None without its sizes."""
    inner = config.get("text_config")
    config = {**config, **inner} if isinstance(inner, dict) else config

    def size(*keys: str, default: int = 0) -> int:
        found = (config.get(key) for key in keys)
        return next((n for n in found if isinstance(n, int) and n > 0), default)

    width = size("hidden_size", "n_embd", "d_model")
    layers = size("num_hidden_layers", "n_layer", "num_layers")
    words = size("vocab_size")
    if not (width and layers and words):
        return None
    heads = size("num_attention_heads", "n_head", default=1)
    head = size("head_dim", default=width // heads)
    shared = size("num_key_value_heads", default=heads)
    block = size("intermediate_size", "n_inner", "ffn_dim", default=4 * width)
    experts = size("num_local_experts", "num_experts", "n_routed_experts", default=1)
    block = size("moe_intermediate_size", default=block) if experts > 1 else block
    gated = 2 if config.get("model_type") in _UNGATED else 3
    attention = 2 * width * head * (heads + shared)
    tables = 1 if config.get("tie_word_embeddings", False) else 2
    return float(tables * words * width + layers * (attention + experts * gated * width * block))


def hub_snapshot(name: str) -> Path | None:
    """The folder of a hub id (owner/name) in the local cache; None where nothing of it is here."""
    owner, _, rest = name.partition("/")
    cached = _hub_cache() / f"models--{owner}--{rest}"
    try:
        revision = (cached / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    folder = cached / "snapshots" / revision
    return folder if folder.is_dir() else None


def _hub_cache() -> Path:
    for variable, inner in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
    ):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser() / inner
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def _weights_in(file: Path) -> float:
    """How many weights a safetensors file has by its header; half its bytes where that cannot be
    read."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length)) if length <= _LONGEST_HEADER else {}
        shapes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]
        return float(sum(map(math.prod, shapes))) or file.stat().st_size / 2
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return file.stat().st_size / 2


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
