"""The ways to fine-tune, one table. Nothing here needs PEFT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from rag_study.common.errors import StudyError
from rag_study.models.architectures import DECODER, words_for


@dataclass(frozen=True)
class Method:
    """A way to fine-tune. `label` is for people; `learning_rate` is where a search would begin.

    `family` decides which settings apply: "lora" has rank and alpha, "virtual" has
    num_virtual_tokens, "scaling" and "full" have neither. `options` go to PEFT's configuration.
    `checkpointing`: activations can be computed again for the backward pass, which drops the cache
    that prefixes are.
    """

    label: str
    family: Literal["lora", "scaling", "virtual", "full"]
    learning_rate: float
    quantised: bool = False
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    checkpointing: bool = True


# Learning rates: LoRA and QLoRA by Dettmers et al. 2023 (2e-4 up to 13B parameters), which DoRA
# (Liu et al. 2024) keeps; rsLoRA (Kalajdzievski 2023) scales by alpha / sqrt(rank), 4 times as
# much as LoRA at rank 16, hence a smaller step; IA3 by Liu et al. 2022 (3e-3); prompt and prefix
# tuning by PEFT's guides (3e-2, 1e-2); full fine-tuning by Touvron et al. 2023 (Llama 2: 2e-5).
METHODS: dict[str, Method] = {
    "lora": Method("LoRA", "lora", 2e-4),
    "qlora": Method("QLoRA", "lora", 2e-4, quantised=True),
    "dora": Method("DoRA", "lora", 2e-4, options={"use_dora": True}),
    "rslora": Method("rsLoRA", "lora", 1e-4, options={"use_rslora": True}),
    "ia3": Method("IA3", "scaling", 3e-3),
    "prompt_tuning": Method("prompt tuning", "virtual", 3e-2),
    "prefix_tuning": Method("prefix tuning", "virtual", 1e-2, checkpointing=False),
    "full": Method("full fine-tuning", "full", 2e-5),
}


def find(name: str) -> Method:
    """A method by its name. Raises StudyError with the names there are."""
    if name not in METHODS:
        raise StudyError(f"there is no method '{name}'; methods: {', '.join(METHODS)}.")
    return METHODS[name]


# What an encoder-decoder and an extractive reader are trained by: virtual tokens, scales and 4-bit
# bases are made for decoders here.
_OF_ANY_KIND = ("lora", "dora", "rslora", "full")


def check_kind(kind: str, method: str) -> None:
    """Raise StudyError where models of a kind (`architectures.READERS`) are not trained so."""
    if kind != DECODER and method not in _OF_ANY_KIND:
        raise StudyError(
            f"method {method} is for decoders; {words_for(kind)} is trained by "
            f"{', '.join(_OF_ANY_KIND)}."
        )
