"""What each kind of model learns: its examples, their batches, and the loss on them.

One table, OBJECTIVES; the training itself (`finetune`) is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import torch

from rag_study.models import sequence_to_sequence, span_reader
from rag_study.models.architectures import DECODER, ENCODER_DECODER, EXTRACTIVE
from rag_study.models.language_model import LanguageModel, forward
from rag_study.training import packing
from rag_study.training.examples import IGNORED, Batch, Example, collate, completion_loss, examples
from rag_study.training.pairs import TrainingPair


class SpanExample(TypedDict):
    """A window of a question and its passages; `span` is the first and last token of the answer,
    (0, 0) where it is not in this window."""

    input_ids: list[int]
    token_type_ids: list[int] | None
    span: tuple[int, int]


Loss = Callable[[Any, Batch, "torch.Tensor | int | None"], torch.Tensor]


@dataclass(frozen=True)
class Objective:
    """`examples(lm, pairs, reserved)` gives (examples, counts), `collate(batch, pad_id)` a batch
    with `labels`, and `loss(model, batch, items)` the mean over them (nats), or the sum over
    `items`."""

    examples: Callable[..., tuple[list[Any], dict[str, int]]]
    collate: Callable[..., Batch]
    loss: Loss


def of(lm: LanguageModel, packed: bool = False) -> Objective:
    """What a model of this kind learns, from padded batches or `packed` ones."""
    objective = OBJECTIVES[lm.kind]
    return replace(objective, collate=packing.collate) if packed else objective


# --- Encoder-decoders ------------------------------------------------------------------------


def _collate_sequences(batch: Sequence[Example], pad_id: int) -> Batch:
    pairs = [(e["input_ids"][: -len(e["completion"])], e["completion"]) for e in batch]
    return sequence_to_sequence.batch_of(pairs, pad_id)


def _sequence_loss(
    model: Any, inputs: Batch, items: torch.Tensor | int | None = None
) -> torch.Tensor:
    """As `completion_loss`, over what the decoder writes."""
    total = sequence_to_sequence.token_losses(model, inputs).sum()
    return total / (items if items is not None else (inputs["labels"] != IGNORED).sum())


# --- Extractive readers ----------------------------------------------------------------------


def span_examples(
    lm: LanguageModel, pairs: Sequence[TrainingPair], reserved: int = 0
) -> tuple[list[SpanExample], dict[str, int]]:
    """(windows with the answer's tokens, counts) of pairs with passages.

    The answer is looked for in the passages as it is to be learned, then in the question's other
    wordings. A question without an answer is learned as such. What has an answer that does not
    stand in its passages (yes and no, most lists and summaries, distractors alone) is left out.
    """
    made, several, without = [], 0, 0
    for pair in pairs:
        reading = span_reader.read(lm, pair.question, pair.passages)
        unanswerable = pair.answer_type == "unanswerable"
        looked_for = () if pair.answer_type == "yesno" else (pair.answer, *pair.wordings)
        place = None if unanswerable else span_reader.place_of(reading, looked_for)
        if not reading.windows or (place is None and not unanswerable):
            without += 1
            continue
        several += len(reading.windows) > 1
        made += [
            SpanExample(
                input_ids=window.input_ids,
                token_type_ids=window.token_type_ids,
                span=span_reader.tokens_at(window, place),
            )
            for window in reading.windows
        ]
    return made, {
        "passages cut": 0,
        "read in several windows": several,
        "left out, no answer to point at": without,
    }


def _collate_spans(batch: Sequence[SpanExample], pad_id: int) -> Batch:
    windows = [span_reader.Window(e["input_ids"], e["token_type_ids"], []) for e in batch]
    spans = torch.tensor([e["span"] for e in batch])
    return {**span_reader.batch_of(windows, pad_id), "labels": spans}


def _span_loss(model: Any, inputs: Batch, items: torch.Tensor | int | None = None) -> torch.Tensor:
    """Mean cross-entropy (nats) of the first and the last token of the answers."""
    inputs = dict(inputs)
    labels = inputs.pop("labels")
    output = forward(model, **inputs)
    padding = inputs["attention_mask"] == 0
    total = sum(
        torch.nn.functional.cross_entropy(
            scores.float().masked_fill(padding, -torch.inf), labels[:, end], reduction="sum"
        )
        for end, scores in enumerate((output.start_logits, output.end_logits))
    )
    return total / (items if items is not None else labels.numel())


OBJECTIVES = {
    DECODER: Objective(examples, collate, completion_loss),
    ENCODER_DECODER: Objective(examples, _collate_sequences, _sequence_loss),
    EXTRACTIVE: Objective(span_examples, _collate_spans, _span_loss),
}
