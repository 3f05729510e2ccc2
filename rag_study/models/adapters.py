"""An adapter in a folder: from which model it was made, and putting it on that model.

`training.peft` makes one; nothing here imports torch at module level.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag_study.common.errors import StudyError
from rag_study.models import folders, names
from rag_study.models.methods import find

NOTE_FILE = "rag_study.json"


def folder_in(run: Path, share: float = 1.0) -> Path:
    """Where a training's folder has the weights after this share of its steps."""
    return run / ("adapter" if share == 1 else f"adapter_after_{100 * share:g}_percent")


def keep_positions(model: Any) -> None:
    """Let prompt tuning count positions by the mask, virtual tokens first.

    PEFT drops the position ids for it: then padding counts, and the answer to a question depends
    on the length of its neighbours in the batch.
    """
    import torch
    from peft import PeftType

    original = model._adjust_prompt_learning_kwargs

    def adjust(peft_config: Any, *, kwargs: dict[str, Any], **options: Any) -> None:
        positions = kwargs.get("position_ids")
        if peft_config.peft_type != PeftType.PROMPT_TUNING or positions is None:
            return original(peft_config, kwargs=kwargs, **options)
        kwargs["position_ids"] = None
        original(peft_config, kwargs=kwargs, **options)
        virtual = peft_config.num_virtual_tokens
        cache = kwargs.get("past_key_values")
        shifted = positions + virtual
        if cache is None or not cache.get_seq_length():  # the virtual tokens are in this pass
            first = torch.arange(virtual, device=positions.device).expand(len(positions), -1)
            shifted = torch.cat((first, shifted), dim=1)
        kwargs["position_ids"] = shifted
        return None

    model._adjust_prompt_learning_kwargs = adjust


@dataclass(frozen=True)
class Note:
    """What stands beside a saved adapter (`rag_study.json`): method and base model."""

    method: str
    base_model: str
    revision: str
    dtype: str
    quantised: bool
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    settings: dict[str, Any] = field(default_factory=dict)


def read_note(folder: Path) -> Note | None:
    """The note beside an adapter, None for one that was made elsewhere.

    Raises StudyError when the folder holds no adapter at all.
    """
    folder = Path(folder)
    try:
        return Note(**json.loads((folder / NOTE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        if (folder / "adapter_config.json").exists():
            return None
        raise StudyError(f"{folder}: there is no adapter in this folder.") from None
    except (ValueError, TypeError) as error:
        raise StudyError(f"{folder / NOTE_FILE}: cannot be read ({error}).") from None


def check_base(note: Note | None, name: str, folder: Path) -> None:
    """Raise StudyError when an adapter was made from another base model, or another revision."""
    revision = names.revision_of(name)
    if note is None:
        return
    # The revision of a folder is its content, wherever it lies by now.
    same_name = note.base_model == name or names.folder_of(name) is not None
    if not same_name or note.revision != revision:
        raise StudyError(
            f"the adapter in {folder} was made from {note.base_model} "
            f"(revision {note.revision[:12]}), not from {name} (revision {revision[:12]}). "
            "Load that model, or train the adapter again on this one."
        )


def check_strength(note: Note | None, strength: float) -> None:
    """Raise StudyError for a strength outside 0 to 1, or for a method that has no half-way."""
    if not 0 <= strength <= 1:
        raise StudyError(f"strength {strength} must lie between 0 (base) and 1 (adapter).")
    if strength != 1 and note is not None and find(note.method).family == "virtual":
        raise StudyError(
            f"strength {strength} has no meaning for {find(note.method).label}: virtual tokens "
            "are read or not; there is nothing between the base and them. Use strength 1."
        )


def checked_note(folder: Path, name: str, strength: float) -> Note | None:
    """As `read_note`, of an adapter for the model `name` that is to be applied with a strength.

    Raises StudyError where it is none for this model, has no such strength, or comes with code.
    """
    note = read_note(folder)
    check_base(note, name, folder)
    check_strength(note, strength)
    folders.check(Path(folder), "adapter")
    return note


def attach(
    base: Any, folder: Path, name: str, strength: float = 1.0, trainable: bool = False
) -> Any:
    """The base with the adapter of a folder on it, in float32 over whatever the base has.

    Raises StudyError when it does not fit the model.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            # PEFT only warns when weights are missing for some of the layers.
            warnings.filterwarnings("error", "Found missing adapter keys")
            warnings.filterwarnings("ignore", "The following (rank|alpha)_pattern keys")
            model = PeftModel.from_pretrained(
                base, str(folder), is_trainable=trainable, autocast_adapter_dtype=True
            )
    except (ValueError, RuntimeError, UserWarning) as error:
        raise StudyError(
            f"the adapter in {folder} does not fit {name}: {first_line(error)}"
        ) from error
    keep_positions(model)
    if strength != 1:
        _weaken(model, strength)
    return model


def _weaken(model: Any, strength: float) -> None:
    """W + strength · (W' - W) for every tuned weight (as in WiSE-FT, Wortsman et al. 2022)."""
    import torch
    from peft.tuners.ia3 import IA3Layer
    from peft.tuners.lora import LoraLayer

    changed = False
    for module in model.modules():
        if isinstance(module, LoraLayer):
            changed = True
            for adapter in module.scaling:
                if module.use_dora.get(adapter):
                    # What DoRA adds to the base's output holds its magnitudes, too.
                    magnitude = module.lora_magnitude_vector[adapter]
                    magnitude.register_forward_hook(
                        lambda _module, _inputs, added: strength * added
                    )
                else:
                    module.scaling[adapter] *= strength
        elif isinstance(module, IA3Layer):
            changed = True
            for scale in module.ia3_l.values():
                scale.data = torch.lerp(torch.ones_like(scale.data), scale.data, strength)
    if not changed:
        raise StudyError(f"strength {strength} has no meaning for this kind of adapter.")


def blend(base: Any, tuned: Any, strength: float) -> None:
    """Move a fully tuned model's weights back towards the base's, in place.

    Raises StudyError for 4-bit weights, between which there is nothing.
    """
    import torch

    with torch.no_grad():
        for before, after in zip(base.parameters(), tuned.parameters(), strict=True):
            if not after.is_floating_point():
                raise StudyError(f"strength {strength} needs an unquantised model.")
            mixed = torch.lerp(before.float().to(after.device), after.float(), strength)
            after.copy_(mixed.to(after.dtype))


def first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
