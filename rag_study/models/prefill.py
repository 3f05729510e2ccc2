"""Prompts read into the cache of their batch, one after the other.

On a processor the time to read a prompt is that of its arithmetic, and a batch is read no faster
than its prompts are one by one. Alone, a prompt has no padding and needs no mask: no token is
computed that is not there, and attention computes only the half that is looked at. What all
prompts of the batch begin with (instructions, examples) is read once.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache, StaticCache
from transformers.cache_utils import DynamicLayer, StaticLayer

from rag_study.models.language_model import forward

if TYPE_CHECKING:
    from rag_study.models.language_model import LanguageModel


def has_plain_cache(lm: LanguageModel) -> bool:
    """Whether keys and values of all that a model has read can be kept, copied and gone on from:
    no virtual tokens, no window of attention, no state of another kind (linear attention)."""
    if not _can_be_filled(lm):
        return False
    layers = DynamicCache(config=lm.model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def _can_be_filled(lm: LanguageModel) -> bool:
    adapters = getattr(lm.model, "peft_config", {}).values()
    virtual = any(config.is_prompt_learning for config in adapters)
    return not virtual and getattr(lm.model, "_can_compile_fullgraph", False)


def fixed_cache(lm: LanguageModel, length: int) -> StaticCache | None:
    """An empty cache for `length` tokens that is filled in place; None where the model or the
    hardware takes transformers' usual one.

    The usual one is copied for every new token, which takes a quarter of the time of a step on a
    CPU. Not left to `cache_implementation`: that one's size depends on earlier calls, and the same
    batch must always be computed in the same way. On a GPU it would start a compiler.
    """
    if not _can_be_filled(lm) or lm.device.type != "cpu":
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
    before = [prompt[:-1] for prompt in prompts]
    same = takewhile(lambda column: len(set(column)) == 1, zip(*before, strict=False))
    shared_ids = [column[0] for column in same]
    shared = _continued(lm, DynamicCache(config=lm.model.config), shared_ids)
    for row, ids in enumerate(before):
        continued = _continued(lm, copy.deepcopy(shared), ids[len(shared_ids) :])
        for place, layer in zip(cache.layers, continued.layers, strict=True):
            if not layer.is_initialized:
                continue  # a prompt of one token: there is nothing before it
            if not place.is_initialized:
                rows = (len(prompts), -1, -1, -1)
                place.lazy_initialization(layer.keys.expand(rows), layer.values.expand(rows))
                place.cumulative_length.fill_(end)
            place.keys[row, :, end - len(ids) : end] = layer.keys[0]
            place.values[row, :, end - len(ids) : end] = layer.values[0]


def _continued(lm: LanguageModel, cache: DynamicCache, ids: list[int]) -> DynamicCache:
    if ids:
        tokens = torch.tensor([ids])
        forward(lm.model, input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache
