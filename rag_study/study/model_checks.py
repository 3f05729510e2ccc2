"""Whether the name of a model in a study can be one, before anything is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import architectures, endpoint, folders, names, vllm


def check_language_model(name: str, also: Sequence[str] = ()) -> None:
    """As `check_model`, and for a model of which it is known that it cannot write text."""
    check_model(name, also)
    _check_kind(name, (architectures.DECODER,))


def check_reader(name: str) -> None:
    """Raise ValueError for a name of no model that answers questions, whatever its kind."""
    check_model(name, list(names.EMBEDDINGS))
    _check_kind(name, architectures.READERS)


def _check_kind(name: str, kinds: tuple[str, ...]) -> None:
    try:
        architectures.check(name, kinds)
    except StudyError as error:
        raise ValueError(str(error)) from None


def only_data(folder: Path, what: str) -> None:
    """Raise ValueError where a folder with a model would have code of its own run."""
    try:
        folders.check(folder, what)
    except StudyError as error:
        raise ValueError(str(error)) from None


def check_model(name: str, also: Sequence[str] = ()) -> None:
    """Raise ValueError for a name that is no model; `also` are names that would do as well."""
    if name.startswith(("http://", "https://")):
        try:
            endpoint.connect(name)
        except StudyError as error:
            raise ValueError(str(error)) from None
    if names.is_known(name) or name in also:
        names.check_installed(name)
        return
    if name in names.JUDGES:
        raise ValueError(f"'{name}' was trained to grade answers: it is a judge (`judges`)")
    presets = [*names.GENERATORS, *also]
    near = difflib.get_close_matches(name, presets, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"'{name}' is not a preset ({', '.join(presets)}), not a folder, "
        f"and not a hub id (owner/name){hint}"
    )


def check_engine(answering: Any, model: str, training: Any) -> None:
    """Raise ValueError where the engine of a group `Answering` cannot be that of a state:
    of a model, trained by a group `Training` or not at all (None)."""
    if answering.engine != "vllm":
        return
    how = (training.method, training.strength, training.lora_rank) if training else (None,)
    reason = vllm.refusal(model, *how)
    if answering.context_gain:
        reason = "context_gain needs the model itself, which is with vLLM's server"
    if reason is not None:
        raise ValueError(f"answering: engine: vllm: {reason}. `engine: transformers` does it")
