"""Training examples: tokenised prompt and completion, batches of them, and the loss on them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import torch

from rag_study.common.errors import StudyError
from rag_study.models import prompts
from rag_study.models.language_model import LanguageModel, forward, left_pad, positions

if TYPE_CHECKING:
    from rag_study.training.pairs import TrainingPair

IGNORED = -100  # label that the loss passes over (PyTorch's cross_entropy default)

Passages = Sequence[tuple[str, str]]
Batch = dict[str, torch.Tensor]


class Example(TypedDict):
    """A tokenised training pair; `input_ids` is the prompt with the completion behind it."""

    input_ids: list[int]
    completion: list[int]


def example(lm: LanguageModel, prompt: list[int], answer: str) -> Example:
    """A training example of a prompt's token ids and the answer that should follow."""
    completion = prompts.completion(lm.tokenizer, answer, prompt)
    return Example(input_ids=prompt + completion, completion=completion)


def examples(
    lm: LanguageModel, pairs: Sequence[TrainingPair], reserved: int = 0
) -> tuple[list[Example], dict[str, int]]:
    """(examples, counts) of pairs: the prompt as in answering, and the answer.

    Where the window (less `reserved`, see `peft.virtual_tokens`) is too short, the last
    passage loses words from its end and is then dropped; "passages cut" counts these pairs.
    Raises StudyError for a pair whose question and answer alone are too long.
    """
    window = lm.max_length - reserved
    made, cut = [], 0
    for pair in pairs:
        whole = example(lm, _prompt(lm, pair, pair.passages), pair.answer)
        if len(whole["input_ids"]) > window:
            passages = _fitting(lm, pair, window, len(whole["completion"]))
            whole = example(lm, _prompt(lm, pair, passages), pair.answer)
            cut += 1
        made.append(whole)
    return made, {"passages cut": cut}


def _prompt(lm: LanguageModel, pair: TrainingPair, passages: Passages) -> list[int]:
    if pair.kind == "general":
        return prompts.instruction_prompt(lm.tokenizer, pair.question)
    return prompts.answer_prompt(lm.tokenizer, pair.question, passages)


def _fitting(lm: LanguageModel, pair: TrainingPair, window: int, completion: int) -> Passages:
    """The passages cut so that the prompt and a completion of so many tokens fit the window."""
    for kept in range(len(pair.passages), 0, -1):
        passages = _shortened(lm, pair, pair.passages[:kept], window - completion)
        if passages:
            return passages
    length = len(_prompt(lm, pair, ())) + completion
    if length > window:
        raise StudyError(
            f"training pair '{pair.id}': question and answer have {length} tokens, more than the "
            f"window of {lm.name} ({window}). Take it out or shorten it."
        )
    return ()


def _shortened(lm: LanguageModel, pair: TrainingPair, passages: Passages, room: int) -> Passages:
    """The passages, the last one cut to the most words that fit; empty if not one does."""
    *before, (title, text) = passages
    ends = [word.end() for word in re.finditer(r"\S+", text)]

    def cut(end: int) -> Passages:
        return [*before, (title, text[:end])]

    words = bisect_right(ends, room, key=lambda end: len(_prompt(lm, pair, cut(end))))
    return cut(ends[words - 1]) if words else ()


def collate(batch: Sequence[Example], pad_id: int) -> Batch:
    """Padded tensors of a batch, (batch, length); labels on completions (end token included)."""
    input_ids, attention_mask = left_pad([e["input_ids"] for e in batch], pad_id)
    labels = torch.full_like(input_ids, IGNORED)
    for row, example in enumerate(batch):
        labels[row, -len(example["completion"]) :] = torch.tensor(example["completion"])
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def completion_loss(
    model: Any, inputs: Batch, items: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Mean cross-entropy (nats per token) over the labelled tokens of a batch: a padded one from
    `collate`, or a row from `packing.collate`.

    The head is applied to the columns alone before which a label stands, counted from the right:
    virtual tokens stand on the left and change nothing in that. `items`, if given, is the number
    of labels to divide by (for accumulated gradients).
    """
    # The columns are picked by index, which copies them. A slice of the hidden states is a view,
    # for which PyTorch multiplies row by row with as many copies of the whole head.
    labels, mask = inputs["labels"], inputs.get("attention_mask")
    labelled = (labels != IGNORED).any(dim=0).nonzero()[:, 0]
    position_ids = inputs["position_ids"] if mask is None else positions(mask)
    logits = forward(
        model,
        input_ids=inputs["input_ids"],
        attention_mask=mask,
        position_ids=position_ids,
        logits_to_keep=(labelled - labels.shape[1] - 1).cpu(),
        use_cache=False,
    ).logits
    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(),
        labels[:, labelled].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    return total / (items if items is not None else (labels != IGNORED).sum())


@torch.inference_mode()
def validation_loss(
    model: Any,
    data: Sequence[Example],
    collator: Callable[[Sequence[Example]], Batch],
    batch_size: int,
    loss: Callable[..., torch.Tensor] = completion_loss,
) -> float:
    """Mean loss per label (a token of a completion) over all examples, not the mean of batch
    means."""
    model.eval()
    ordered = sorted(data, key=lambda example: len(example["input_ids"]))  # little padding
    total = labels = 0.0
    for start in range(0, len(ordered), batch_size):
        batch = collator(ordered[start : start + batch_size])
        batch = {key: value.to(model.device) for key, value in batch.items()}
        total += float(loss(model, batch, items=1))
        labels += int((batch["labels"] != IGNORED).sum())
    return total / labels
