"""Encoder-decoders (T5, BART): the prompt is read as a whole, the answer written from nothing.

Prompts and answers are those of every other model, the prompt as one text without turns
(`chat_templates`). The window limits prompt and answer together, as a decoder's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rag_study.models.language_model import LanguageModel, decoding, forward, right_pad

if TYPE_CHECKING:
    import torch

IGNORED = -100  # label that the loss passes over (PyTorch's cross_entropy default)


def generate(
    lm: LanguageModel, prompts: Sequence[list[int]], max_new_tokens: int, **options: Any
) -> list[list[int]]:
    """New token ids for each prompt's, an end token and padding after it included; the token that
    begins every answer is not among them."""
    import torch

    ids, mask = right_pad(prompts, lm.tokenizer.pad_token_id)
    with torch.inference_mode():
        output = lm.model.generate(
            input_ids=ids.to(lm.device),
            attention_mask=mask.to(lm.device),
            max_new_tokens=max_new_tokens,
            **decoding(lm),
            **options,
        )
    return output[:, 1:].tolist()


def batch_of(pairs: Sequence[tuple[list[int], list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Tensors of (prompt, completion) token ids, (batch, length) each, padded on the right."""
    input_ids, attention_mask = right_pad([prompt for prompt, _ in pairs], pad_id)
    labels, written = right_pad([completion for _, completion in pairs], pad_id)
    labels = labels.masked_fill(written == 0, IGNORED)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def token_losses(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy (nats) of every label, (batch, labels); 0 where it is padding."""
    from torch.nn.functional import cross_entropy

    logits = forward(model, **batch, use_cache=False).logits.float()
    labels = batch["labels"]
    flat = cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.view_as(labels)


def log_likelihoods(lm: LanguageModel, sequences: Sequence[tuple[list[int], int]]) -> list[float]:
    """As `likelihood.log_likelihoods`: what comes before the last n tokens is read, they are
    written."""
    import torch

    pairs = [(ids[:-scored], ids[-scored:]) for ids, scored in sequences]
    batch = batch_of(pairs, lm.tokenizer.pad_token_id)
    with torch.inference_mode():
        losses = token_losses(lm.model, {name: part.to(lm.device) for name, part in batch.items()})
    return (-losses.sum(dim=1)).tolist()
