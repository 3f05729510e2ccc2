"""Log-likelihoods of given texts under a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag_study.common.errors import StudyError
from rag_study.models import sequence_to_sequence
from rag_study.models.architectures import ENCODER_DECODER
from rag_study.models.language_model import LanguageModel, forward, left_pad

if TYPE_CHECKING:
    import torch


def log_likelihoods(lm: LanguageModel, sequences: Sequence[tuple[list[int], int]]) -> list[float]:
    """Log-probability (nats) of the last n tokens of each (token ids, n), given those before.

    All are one batch, padded on the left: they end together, and the head is applied to the last
    columns alone. No cache: adapters with virtual tokens (prompt and prefix tuning) go the same
    way. Raises StudyError for a sequence longer than the model's window.
    """
    import torch
    from torch.nn.functional import cross_entropy

    if lm.kind == ENCODER_DECODER:
        return sequence_to_sequence.log_likelihoods(lm, sequences)

    ids, mask = padded(lm, [sequence for sequence, _ in sequences])
    with torch.inference_mode():
        logits = forward(
            lm.model,
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            logits_to_keep=max(scored for _, scored in sequences) + 1,
            use_cache=False,
        ).logits[:, :-1]
    # Row by row: the float32 copy of a whole batch would be large.
    return [
        -cross_entropy(logits[row, -n:].float(), ids[row, -n:], reduction="sum").item()
        for row, (_, n) in enumerate(sequences)
    ]


def padded(lm: LanguageModel, sequences: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(input ids, attention mask) of a batch on the model's device, padded on the left.

    Raises StudyError for a sequence longer than the model's window.
    """
    ids, mask = left_pad(sequences, lm.tokenizer.pad_token_id)
    if ids.shape[1] > lm.max_length:
        raise StudyError(f"{ids.shape[1]} tokens are above {lm.name}'s window of {lm.max_length}.")
    return ids.to(lm.device), mask.to(lm.device)
