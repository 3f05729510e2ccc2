"""Fine-tuning with PEFT: LoRA on question-answer pairs, loss on the answer's tokens only.

The training loop is transformers' Trainer; what is ours is the batch (prompts padded on the left
so that all answers end together) and the loss, which asks the language-model head only for the
positions that have a label.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from rag_study import prompts
from rag_study.errors import StudyError
from rag_study.generation import left_pad
from rag_study.models import LanguageModel
from rag_study.qa_datasets.schema import Question
from rag_study.store import RunFolder

IGNORED = -100  # label that the loss passes over (PyTorch's cross_entropy default)


class Example(TypedDict):
    """A tokenised training pair; `input_ids` is the prompt with the completion behind it."""

    input_ids: list[int]
    completion: list[int]


@dataclass(frozen=True)
class TrainingResult:
    """What training did. `history` has one row per log: step, train_loss, validation_loss."""

    history: pd.DataFrame
    base_validation_loss: float
    validation_loss: float
    optimizer_steps: int
    trainable_parameters: int
    tokens_per_second: float


def examples(lm: LanguageModel, questions: Sequence[Question]) -> list[Example]:
    """Closed-book examples: the question as prompt, the reference answer as completion.

    Raises StudyError for a pair that is longer than the model's window.
    """
    made = []
    for question in questions:
        prompt = prompts.answer_prompt(lm.tokenizer, question.question)
        completion = prompts.completion(lm.tokenizer, question.reference)
        length = len(prompt) + len(completion)
        if length > lm.max_length:
            raise StudyError(
                f"training question '{question.id}' and its answer have {length} tokens, "
                f"more than the window of {lm.name} ({lm.max_length}). Take it out or shorten it."
            )
        made.append(Example(input_ids=prompt + completion, completion=completion))
    return made


def collate(batch: Sequence[Example], pad_id: int) -> dict[str, torch.Tensor]:
    """Padded tensors of a batch, (batch, length); labels on completions (end token included)."""
    input_ids, attention_mask = left_pad([e["input_ids"] for e in batch], pad_id)
    labels = torch.full_like(input_ids, IGNORED)
    for row, example in enumerate(batch):
        labels[row, -len(example["completion"]) :] = torch.tensor(example["completion"])
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def completion_loss(
    model: Any, inputs: dict[str, torch.Tensor], items: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Mean cross-entropy (nats per token) over the labelled tokens of a batch from `collate`.

    Completions end at the right edge, so the head is applied to the last columns alone. `items`,
    if given, is the number of labels to divide by (for accumulated gradients).
    """
    labels = inputs["labels"]
    first = int((labels != IGNORED).any(dim=0).nonzero()[0])
    width = labels.shape[1] - first
    position_ids = (inputs["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
    logits = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        position_ids=position_ids,
        logits_to_keep=width + 1,
        use_cache=False,
    ).logits[:, :-1]
    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(),
        labels[:, first:].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    return total / (items if items is not None else (labels != IGNORED).sum())


def train(
    lm: LanguageModel,
    train_questions: Sequence[Question],
    validation_questions: Sequence[Question],
    *,
    epochs: int,
    learning_rate: float,
    lora_rank: int,
    lora_alpha: int,
    batch_size: int,
    seed: int,
    folder: RunFolder,
) -> TrainingResult:
    """Train a LoRA adapter on all linear layers and save it to `folder.path / "adapter"`.

    Adapter weights are float32 over a base of any precision; linear decay of the learning rate
    after 10 % warm-up. Rank, alpha = 2 x rank and the rate follow PEFT's and the QLoRA paper's
    (Dettmers et al. 2023) usual settings. Raises StudyError when the loss becomes NaN.
    """
    set_seed(seed)
    config = LoraConfig(
        r=lora_rank,
        lora_alpha=lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(lm.model, config)
    data, held_out = examples(lm, train_questions), examples(lm, validation_questions)
    collator = partial(collate, pad_id=lm.tokenizer.pad_token_id)
    base_loss = validation_loss(model, held_out, collator, batch_size)
    steps_per_epoch = -(-len(data) // batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _AnswerTrainer(
            model=model,
            args=TrainingArguments(
                output_dir=scratch,
                num_train_epochs=epochs,
                learning_rate=learning_rate,
                warmup_steps=max(1, epochs * steps_per_epoch // 10),
                per_device_train_batch_size=batch_size,
                per_device_eval_batch_size=batch_size,
                train_sampling_strategy="group_by_length",
                eval_strategy="epoch",
                logging_steps=max(1, epochs * steps_per_epoch // 40),
                save_strategy="no",
                remove_unused_columns=False,
                dataloader_pin_memory=False,
                report_to=[],
                disable_tqdm=True,
                log_level="error",
                logging_nan_inf_filter=False,  # a loss that is not a number must be seen
                seed=seed,
                data_seed=seed,
                use_cpu=not torch.cuda.is_available(),
            ),
            train_dataset=data,
            eval_dataset=held_out,
            data_collator=collator,
            callbacks=[_Watch(folder, len(data) * epochs, batch_size)],
        )
        trainer.remove_callback(PrinterCallback)
        began = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - began
    model.eval()
    _save_adapter(model, folder.path)
    history = _history(trainer.state.log_history, base_loss)
    return TrainingResult(
        history=history,
        base_validation_loss=base_loss,
        validation_loss=float(history["validation_loss"].dropna().iloc[-1]),
        optimizer_steps=trainer.state.global_step,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        tokens_per_second=epochs * sum(len(e["input_ids"]) for e in data) / seconds,
    )


@torch.inference_mode()
def validation_loss(
    model: Any,
    data: Sequence[Example],
    collator: Callable[[Sequence[Example]], dict[str, torch.Tensor]],
    batch_size: int,
) -> float:
    """Mean loss per completion token over all examples (not the mean of batch means)."""
    model.eval()
    total = labels = 0.0
    for start in range(0, len(data), batch_size):
        batch = collator(data[start : start + batch_size])
        batch = {key: value.to(model.device) for key, value in batch.items()}
        total += float(completion_loss(model, batch, items=1))
        labels += int((batch["labels"] != IGNORED).sum())
    return total / labels


class _AnswerTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = completion_loss(model, inputs, num_items_in_batch)
        return (loss, {}) if return_outputs else loss

    def evaluate(self, *_arguments, **_options) -> dict[str, float]:
        """The held-out loss by token, as for the base model; Trainer's own weighs by batch."""
        loss = validation_loss(
            self.model, self.eval_dataset, self.data_collator, self.args.eval_batch_size
        )
        self.log({"eval_loss": loss})
        return {"eval_loss": loss}


class _Watch(TrainerCallback):
    """Tells the progress in examples, and stops a training that has gone astray."""

    def __init__(self, folder: RunFolder, total: int, batch_size: int):
        self._folder, self._total, self._batch_size = folder, total, batch_size

    def on_step_end(self, args, state, control, **_):
        self._folder.set_progress(
            min(state.global_step * self._batch_size, self._total), self._total
        )

    def on_log(self, args, state, control, logs=None, **_):
        loss = (logs or {}).get("loss")
        if loss is not None and loss != loss:
            raise StudyError(
                f"the training loss is not a number at step {state.global_step}. "
                "Try a lower learning_rate, or dtype float32."
            )


def _save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter (safetensors) beside its place and move it there whole."""
    staging = Path(tempfile.mkdtemp(prefix=".adapter-", dir=folder))
    model.save_pretrained(staging, safe_serialization=True)
    shutil.rmtree(folder / "adapter", ignore_errors=True)
    staging.rename(folder / "adapter")


def _history(log: list[dict[str, float]], base_loss: float) -> pd.DataFrame:
    rows = {0: {"validation_loss": base_loss}}
    for entry in log:
        row = rows.setdefault(int(entry["step"]), {})
        if "loss" in entry:
            row["train_loss"] = entry["loss"]
        if "eval_loss" in entry:
            row["validation_loss"] = entry["eval_loss"]
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("step").reset_index()
    return table.reindex(columns=["step", "train_loss", "validation_loss"]).astype(float)
