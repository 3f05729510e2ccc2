"""Log-likelihoods of given texts under a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError
from rag_study.models import sequence_to_sequence
from rag_study.models.architectures import ENCODER_DECODER
from rag_study.models.language_model import LanguageModel, forward, left_pad, positions
from rag_study.models.prefill import has_plain_cache

if TYPE_CHECKING:
    import torch


def log_likelihoods(
    lm: LanguageModel, sequences: Sequence[tuple[list[int], int]], alike: int = 1
) -> list[float]:
    """Log-probability (nats) of the last n tokens of each (token ids, n), given those before.

    All are one batch, padded on the left: they end together, and the head is applied to the last
    columns alone. `alike` sequences at a time, as they come, have the same before those n tokens,
    which is read once for them where the model's cache allows it (`prefill.has_plain_cache`).
    Raises StudyError for a sequence longer than the model's window.
    """
    import torch
    from torch.nn.functional import cross_entropy

    if lm.kind == ENCODER_DECODER:
        return sequence_to_sequence.log_likelihoods(lm, sequences)

    ids, mask = padded(lm, [sequence for sequence, _ in sequences])
    columns = max(scored for _, scored in sequences) + 1
    with torch.inference_mode():
        before = min(len(sequence) - scored - 1 for sequence, scored in sequences)
        if alike > 1 and before > 0 and has_plain_cache(lm):
            logits = _after_what_is_alike(lm, sequences, alike)
        else:
            logits = forward(
                lm.model,
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions(mask),
                logits_to_keep=columns,
                use_cache=False,
            ).logits
    logits = logits[:, :-1]
    # Row by row: the float32 copy of a whole batch would be large.
    return [
        -cross_entropy(logits[row, -n:].float(), ids[row, -n:], reduction="sum").item()
        for row, (_, n) in enumerate(sequences)
    ]


def _after_what_is_alike(
    lm: LanguageModel, sequences: Sequence[tuple[list[int], int]], alike: int
) -> torch.Tensor:
    """Logits of the last columns, (sequences, longest n + 1, vocabulary)."""
    import torch

    pad = lm.tokenizer.pad_token_id

    def read(some: Sequence[list[int]], before: torch.Tensor | None, cache: Any) -> tuple[Any, Any]:
        ids, mask = (tensor.to(lm.device) for tensor in left_pad(some, pad))
        mask = mask if before is None else torch.cat((before, mask), dim=1)
        output = forward(
            lm.model,
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions(mask)[:, -ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1 if before is None else ids.shape[1],
        )
        return output, mask

    output, mask = read([ids[: -n - 1] for ids, n in sequences[::alike]], None, None)
    output.past_key_values.batch_repeat_interleave(alike)
    mask = mask.repeat_interleave(alike, dim=0)
    return read([ids[-n - 1 :] for ids, n in sequences], mask, output.past_key_values)[0].logits


def padded(lm: LanguageModel, sequences: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(input ids, attention mask) of a batch on the model's device, padded on the left.

    Raises StudyError for a sequence longer than the model's window.
    """
    ids, mask = left_pad(sequences, lm.tokenizer.pad_token_id)
    if ids.shape[1] > lm.max_length:
        raise StudyError(f"{ids.shape[1]} tokens are above {lm.name}'s window of {lm.max_length}.")
    return ids.to(lm.device), mask.to(lm.device)
