"""A model with its tokenizer, and what every use of one decides alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class LanguageModel:
    """A causal language model ready for inference or training, with its tokenizer.

    `dtype` is that of the base's weights; in a `quantised` base, that of its computations.
    """

    name: str
    model: PreTrainedModel | Any
    tokenizer: PreTrainedTokenizerBase
    dtype: str = "float32"
    quantised: bool = False

    @property
    def max_length(self) -> int:
        """Longest sequence, in tokens, that the model was built for, less its virtual tokens."""
        virtual = [
            getattr(config, "num_virtual_tokens", 0)
            for config in getattr(self.model, "peft_config", {}).values()
        ]
        return int(self.model.config.max_position_embeddings) - sum(virtual)

    @property
    def device(self) -> Any:
        return self.model.device


def decoding(lm: LanguageModel) -> dict[str, Any]:
    """How every model writes: the likeliest token, up to its end token.

    Also in sampling, whose noise is in the scores. A model's own settings (a repetition penalty,
    say) would make what it writes differ from the others'.
    """
    return {
        "do_sample": False,
        "num_beams": 1,
        "repetition_penalty": 1.0,
        "eos_token_id": sorted(end_tokens(lm)),
        "pad_token_id": lm.tokenizer.pad_token_id,
    }


def end_tokens(lm: LanguageModel) -> set[int]:
    """The tokenizer's end token, and those that the model's makers name (the end of a turn)."""
    named = lm.model.generation_config.eos_token_id
    return {lm.tokenizer.eos_token_id} | set(named if isinstance(named, list) else [named]) - {None}


def left_pad(sequences: Sequence[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(input ids, attention mask), both (batch, longest), padded on the left.

    The mask goes by position: some models' pad token is their end token.
    """
    import torch

    longest = max(len(ids) for ids in sequences)
    padded = torch.full((len(sequences), longest), pad_id)
    mask = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, ids in enumerate(sequences):
        padded[row, longest - len(ids) :] = torch.tensor(ids)
        mask[row, longest - len(ids) :] = 1
    return padded, mask


def cast_weights(model: Any, dtype: torch.dtype) -> Any:
    """The model with its weights in another precision, in place.

    Not its buffers: `model.to(dtype)` would round the frequencies of the positions, too.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model
