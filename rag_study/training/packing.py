"""A batch as one row of tokens: no padding, and what all its examples begin with read once.

The row is the shared beginning, then what each example has of its own. A token sees the shared
beginning and what stands before it in its own example, at the position that it has there, so that
loss and gradients are those of the examples one by one. On a processor every token costs the same
wherever it stands; padding and repeated instructions are a fifth to a third of the tokens. On a GPU
it is asked for (`padding_free`), since short batches leave it idle anyway.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface

from rag_study.models.language_model import text_config
from rag_study.training.examples import IGNORED, Batch, Example

if TYPE_CHECKING:
    from rag_study.models.language_model import LanguageModel

ATTENTION = "rag_study_packed"
# Architectures whose layers all do what `attend` does: every token looks at all before it, by
# transformers' interface for attention, which is told the positions.
ARCHITECTURES = ("granite", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3")
# PyTorch's fused attention takes 2 to 3 times as long in bfloat16 as its steps one by one, for its
# backward pass. These need memory by the square of the length: up to so many tokens the weights of
# attention are kept for the backward pass, and up to so many they are computed again there.
PLAIN_LENGTH = 256
PLAIN_AGAIN_LENGTH = 2048


def fits(lm: LanguageModel) -> bool:
    """Whether a model can read such rows: one with plain causal attention in all its layers."""
    config = text_config(lm.model.config)
    kinds = getattr(config, "layer_types", None) or ()
    # Attention of some layers may be limited to a window of the last tokens.
    window = getattr(config, "sliding_window", None) if not kinds else None
    return (
        config is lm.model.config  # a model that reads pictures has text as a part
        and config.model_type in ARCHITECTURES
        and window is None
        and all(kind == "full_attention" for kind in kinds)
    )


def collate(batch: Sequence[Example], pad_id: int) -> Batch:
    """Tensors (1, tokens) of a batch, with `position_ids` and labels on the completions.

    `lengths` (batch,) are the tokens of the examples, the shared beginning counted for each. Of
    each example the last token of the prompt, at least, is its own: it is what the completion's
    first token is predicted from. There is no padding, hence no use for `pad_id`.
    """
    prompts = [e["input_ids"][: -len(e["completion"])][:-1] for e in batch]
    same = takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False))
    shared = len(list(same)) if len(batch) > 1 else 0
    ids, positions = batch[0]["input_ids"][:shared], list(range(shared))
    labels = [IGNORED] * shared
    for one in batch:
        own = one["input_ids"][shared:]
        ids, positions = ids + own, positions + list(range(shared, shared + len(own)))
        labels += [IGNORED] * (len(own) - len(one["completion"])) + one["completion"]
    row = {"input_ids": ids, "position_ids": positions, "labels": labels}
    lengths = torch.tensor([len(one["input_ids"]) for one in batch])
    return {name: torch.tensor([values]) for name, values in row.items()} | {"lengths": lengths}


@contextlib.contextmanager
def read_rows(model: Any, packed: bool = True) -> Iterator[None]:
    """Let a model read rows from `collate`, meanwhile; nothing is done unless `packed`."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    usual = base.config._attn_implementation
    if packed:
        base.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        base.set_attn_implementation(usual)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    position_ids: torch.Tensor,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of a row from `collate`, as transformers' interface has it.

    `query` is (1, heads, tokens, size), `key` and `value` (1, fewer heads, tokens, size).
    Returns (1, tokens, heads, size).
    """
    shared, lengths = _layout(position_ids)
    first, *rest = zip(
        *(part[0].split(lengths, dim=1) for part in (query, key, value)), strict=True
    )
    outputs = [_attention(*first, scaling, dropout)]
    before = [part[:, :shared] for part in first[1:]]
    for own, *seen in rest:
        key, value = (torch.cat(parts, dim=1) for parts in zip(before, seen, strict=True))
        outputs.append(_attention(own, key, value, scaling, dropout))
    return torch.cat(outputs, dim=1).transpose(0, 1)[None], None


AttentionInterface.register(ATTENTION, attend)


@lru_cache(maxsize=1)  # all layers ask, and on a GPU each answer would wait for what is computed
def _layout(position_ids: torch.Tensor) -> tuple[int, list[int]]:
    """(length of the shared beginning, tokens of each part of the row); the first part is the
    first example whole."""
    positions = position_ids[0]
    starts = ((positions[1:] - positions[:-1]) != 1).nonzero()[:, 0] + 1
    ends = [0, *starts.tolist(), len(positions)]
    shared = int(positions[ends[1]]) if len(ends) > 2 else 0
    return shared, [end - start for start, end in pairwise(ends)]


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, dropout: float
) -> torch.Tensor:
    """Of one example's last tokens, (heads, tokens, size), to all of its tokens up to each."""
    heads, tokens, _ = query.shape
    groups, length = key.shape[:2]
    seen = torch.ones(tokens, length, dtype=torch.bool, device=query.device).tril(length - tokens)
    if length <= PLAIN_LENGTH and not query.is_cuda:
        return _in_steps(query, key, value, seen, scaling, dropout)
    if length > PLAIN_AGAIN_LENGTH or query.dtype == torch.float32 or query.is_cuda:
        return functional.scaled_dot_product_attention(
            query[None],
            key.repeat_interleave(heads // groups, dim=0)[None],
            value.repeat_interleave(heads // groups, dim=0)[None],
            attn_mask=None if tokens == length else seen,
            is_causal=tokens == length,
            dropout_p=dropout,
            scale=scaling,
        )[0]
    return checkpoint(_in_steps, query, key, value, seen, scaling, dropout, use_reentrant=False)


def _in_steps(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    seen: torch.Tensor,
    scaling: float,
    dropout: float,
) -> torch.Tensor:
    heads, tokens, size = query.shape
    groups, length = key.shape[:2]
    scores = (query * scaling).reshape(groups, -1, size) @ key.transpose(1, 2)
    hidden = torch.zeros(tokens, length, dtype=scores.dtype).masked_fill(~seen, -torch.inf)
    scores = scores.view(heads, tokens, length) + hidden
    weights = functional.dropout(scores.softmax(dim=-1), dropout, training=dropout > 0)
    return (weights.view(groups, -1, length) @ value).view(heads, tokens, size)
