"""A model with its tokenizer, and what every use of one decides alike."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError
from rag_study.models.architectures import DECODER

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class LanguageModel:
    """A model that answers, ready for inference or training, with its tokenizer.

    `dtype` is that of the base's weights; in a `quantised` base, that of its computations. `kind`
    is one of `architectures.READERS`.
    """

    name: str
    model: PreTrainedModel | Any
    tokenizer: PreTrainedTokenizerBase
    dtype: str = "float32"
    quantised: bool = False
    kind: str = DECODER

    @property
    def max_length(self) -> int:
        """Longest sequence, in tokens, that the model was built for, less its virtual tokens."""
        virtual = [
            getattr(config, "num_virtual_tokens", 0)
            for config in getattr(self.model, "peft_config", {}).values()
        ]
        return window_of(self.model.config, self.tokenizer) - sum(virtual)

    @property
    def device(self) -> Any:
        return self.model.device


def forward(model: Any, **inputs: Any) -> Any:
    """One pass of a model, with an adapter or not, for architectures that take different things.

    Positions are left out where a model tells them apart in another way (ALiBi, recurrence).
    `logits_to_keep` (a number of last columns, or their indices) is done afterwards where the model
    does not know it. A model that also reads pictures is told that there are none.
    """
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    taken = inspect.signature(inner.forward).parameters
    keep = inputs.get("logits_to_keep")
    sees = text_config(inner.config) is not inner.config
    if sees and inner.training and "token_type_ids" in taken:
        inputs["token_type_ids"] = inputs["input_ids"].new_zeros(inputs["input_ids"].shape)
    output = model(**{name: value for name, value in inputs.items() if name in taken})
    if keep is not None and "logits_to_keep" not in taken:
        output.logits = (
            output.logits[:, -keep:] if isinstance(keep, int) else output.logits[:, keep]
        )
    return output


# What configurations call the longest sequence: GPT-2, MPT, BLOOM, ChatGLM and others each have
# a name of their own.
_WINDOWS = (
    *("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len"),
    *("max_seq_length", "seq_length", "n_ctx", "model_max_length", "context_length", "seq_len"),
)
# Of a model that nobody has limited (ALiBi, a recurrent one): only memory is a limit.
UNLIMITED = 1_000_000


def text_config(config: Any) -> Any:
    """The part of a configuration that is about text."""
    inner = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else None
    return config if inner is None else inner


def window_of(config: Any, tokenizer: Any = None) -> int:
    """Longest sequence, in tokens, by a model's configuration, else by its tokenizer."""
    for part in (text_config(config), config):
        for name in _WINDOWS:
            length = getattr(part, name, None)
            if isinstance(length, int) and not isinstance(length, bool) and length > 0:
                return length
    length = getattr(tokenizer, "model_max_length", None)
    # Tokenizers without a limit say 1e30.
    return int(length) if length and 0 < length <= UNLIMITED else UNLIMITED


def use_own_decoding(model: Any) -> None:
    """Take away, in place, what a model's makers set for its generation: only its end tokens stay,
    and the token that an encoder-decoder's answers begin with.

    A penalty, tokens that are forced or suppressed, a least length or another form of output would
    make what it writes differ from what the others write, or crash.
    """
    from transformers import GenerationConfig

    made = getattr(model, "generation_config", None)
    ends = getattr(made, "eos_token_id", None)
    if ends is None:
        ends = getattr(text_config(model.config), "eos_token_id", None)
    begins = getattr(made, "decoder_start_token_id", None)  # None but for an encoder-decoder
    if begins is None and getattr(model.config, "is_encoder_decoder", False):
        begins = model.config.decoder_start_token_id
    model.generation_config = GenerationConfig(eos_token_id=ends, decoder_start_token_id=begins)


def decoding(lm: LanguageModel) -> dict[str, Any]:
    """How every model writes: the likeliest token, up to its end token.

    Also in sampling, whose noise is in the scores. Of a model's own settings none is left
    (`use_own_decoding`).
    """
    return {
        "do_sample": False,
        "num_beams": 1,
        "eos_token_id": sorted(end_tokens(lm)),
        "pad_token_id": lm.tokenizer.pad_token_id,
    }


def end_tokens(lm: LanguageModel) -> set[int]:
    """The tokenizer's end token, and those that the model's makers name (the end of a turn)."""
    named = lm.model.generation_config.eos_token_id
    named = named if isinstance(named, list | tuple) else [named]
    return ({lm.tokenizer.eos_token_id} | {*named}) - {None}


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


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position ids of a batch padded on the left, (batch, length), from its mask; padding has 0."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


def right_pad(sequences: Sequence[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `left_pad`, padded on the right: encoders count positions from the first column."""
    import torch

    longest = max(map(len, sequences))
    rows = [[*ids, *[pad_id] * (longest - len(ids))] for ids in sequences]
    mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in sequences]
    return torch.tensor(rows), torch.tensor(mask)


def check_weights(model: Any, what: str) -> None:
    """Raise StudyError where a weight of a model is NaN or infinite; `what` names the model."""
    import torch

    for name, weights in model.named_parameters():
        if weights.is_meta or not weights.is_floating_point():
            continue
        # The sum is quick and tells; it may also overflow of finite numbers.
        total = weights.detach().sum(dtype=torch.float32)
        if not torch.isfinite(total) and not torch.isfinite(weights).all():
            raise StudyError(
                f"{what} has weights that are no numbers (NaN or infinite), the first in {name}: "
                "its files are damaged, or its training has failed. Get the files again, or train "
                "it again with a lower learning rate."
            )


def cast_weights(model: Any, dtype: torch.dtype) -> Any:
    """The model with its weights in another precision, in place.

    Not its buffers: `model.to(dtype)` would round the frequencies of the positions, too.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model
