"""Prompts read into the cache of their batch, one after the other.

On a processor the time to read a prompt is that of its arithmetic, and a batch is read no faster
than its prompts are one by one. Alone, a prompt has no padding and needs no mask: no token is
computed that is not there, and attention computes only the half that is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache, StaticCache
from transformers.cache_utils import StaticLayer

if TYPE_CHECKING:
    from rag_study.models import LanguageModel


def fixed_cache(lm: LanguageModel, length: int) -> StaticCache | None:
    """An empty cache for `length` tokens that is filled in place; None where the model or the
    hardware takes transformers' usual one.

    The usual one is copied for every new token, which takes a quarter of the time of a step on a
    CPU. Not left to `cache_implementation`: that one's size depends on earlier calls, and the same
    batch must always be computed in the same way. On a GPU it would start a compiler.
    """
    adapters = getattr(lm.model, "peft_config", {}).values()
    virtual = any(config.is_prompt_learning for config in adapters)
    known = getattr(lm.model, "_can_compile_fullgraph", False)
    if virtual or not known or lm.device.type != "cpu":
        return None
    return StaticCache(config=lm.model.config, max_cache_len=length)


def read(lm: LanguageModel, prompts: Sequence[list[int]], cache: StaticCache) -> None:
    """Fill an empty cache with all but the last token of each prompt, padded on the left.

    `generate` then goes on with the last column of the padded prompts. A cache whose layers keep
    less than the whole text (a sliding window) is left empty, and `generate` reads the prompts
    itself. Call it in inference mode.
    """
    if not all(type(layer) is StaticLayer for layer in cache.layers):
        return
    end = max(map(len, prompts)) - 1
    for row, prompt in enumerate(prompts):
        if len(prompt) == 1:
            continue  # nothing before its last token
        own = DynamicCache(config=lm.model.config)
        ids = torch.tensor([prompt[:-1]])
        lm.model(input_ids=ids, past_key_values=own, use_cache=True, logits_to_keep=1)
        for place, layer in zip(cache.layers, own.layers, strict=True):
            if not place.is_initialized:
                every_row = (len(prompts), -1, -1, -1)
                place.lazy_initialization(
                    layer.keys.expand(every_row), layer.values.expand(every_row)
                )
                place.cumulative_length.fill_(end)
            place.keys[row, :, end + 1 - len(prompt) : end] = layer.keys[0]
            place.values[row, :, end + 1 - len(prompt) : end] = layer.values[0]
