"""Fine-tuning with PEFT on question-answer pairs, loss on the answer's tokens only.

The training loop is transformers' Trainer. Ours are the loss, the order of the examples, and when
to evaluate and to write a checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from rag_study.answering.generation import answer_batch
from rag_study.common import files, meter
from rag_study.common.errors import StudyError
from rag_study.common.run_folder import RunFolder
from rag_study.data.schema import Question
from rag_study.models import adapters, linear_products, loading, methods
from rag_study.models.language_model import LanguageModel, cast_weights
from rag_study.retrieval.passage import Passage
from rag_study.training import kernels, objectives, packing, peft
from rag_study.training.checkpoints import WEIGHTS, Checkpoints, load_trainable, save_trainable
from rag_study.training.examples import Example, example, validation_loss
from rag_study.training.objectives import Objective
from rag_study.training.pairs import TrainingPair
from rag_study.training.recipe import Recipe, checkpoint_steps, optimizer_steps
from rag_study.training.result import TrainingResult

__all__ = ["Example", "Recipe", "TrainingResult", "answers", "example", "examples", "train"]

SAVE_SECONDS = 60.0  # about so much work is lost at most when a training is killed
MAX_EVALUATIONS = 10
# Padded batches up to this length use plain attention on a processor in bfloat16, for the reason
# that rows do. The memory of plain attention grows with the square of the length.
PLAIN_ATTENTION = packing.PLAIN_LENGTH
PATIENCE = 2  # evaluations without a new best after which early stopping stops


def train(
    lm: LanguageModel,
    data: Sequence[Example],
    held_out: Sequence[Example],
    recipe: Recipe,
    folder: RunFolder,
    start: Path | None = None,
) -> TrainingResult:
    """Train by the recipe and save the weights (`adapters.folder_in`); `lm` is then tuned.

    Adapter weights are float32 over a base of any precision; linear decay of the learning rate
    after 10 % warm-up. `start` is the adapter of an earlier training, which goes on here with new
    data (one data set after the other). A run that was killed goes on from its last checkpoint and
    comes to the same weights; one that is done is not repeated: its weights are loaded. Raises
    StudyError when there is no data, when method and model do not fit, and when the loss is no
    longer a number.
    """
    if not data or not held_out:
        raise StudyError(
            f"there are {len(data)} training and {len(held_out)} held-out examples; "
            "training needs some of both."
        )
    fingerprint = _fingerprint(lm, data, held_out, recipe)
    if (result := TrainingResult.of_done(folder, fingerprint)) is not None:
        kept = adapters.folder_in(folder.path)
        lm.model = loading.load_generator(lm.name, lm.dtype, kept, lm.quantised).model
        return result
    method = methods.find(recipe.method)
    set_seed(recipe.seed)  # the adapter's first weights
    kernels.check(lm, recipe.kernels)
    packed = _in_rows(lm, recipe)
    objective = objectives.of(lm, packed)
    collator = partial(objective.collate, pad_id=lm.tokenizer.pad_token_id)

    def measured(model: Any) -> float:
        with packing.read_rows(model, packed):
            return validation_loss(model, held_out, collator, recipe.batch_size, objective.loss)

    base_loss = measured(lm.model)
    model = peft.wrap(lm, recipe, start)
    saved = Checkpoints(folder.path / "checkpoints", fingerprint)
    mixed_precision = method.family == "full" and lm.dtype == "bfloat16"
    per_epoch = -(-len(data) // recipe.batch_size)
    steps = optimizer_steps(len(data), recipe.batch_size, recipe.epochs, recipe.max_steps)
    save = partial(peft.save, model, lm, recipe)
    keep = {
        step: partial(files.write_folder, adapters.folder_in(folder.path, share), save)
        for step, share in checkpoint_steps(recipe.checkpoints, steps).items()
        if step < steps
    }
    watch = _Watch(folder, saved, recipe, steps, per_epoch, keep)
    if recipe.kernels == "liger":
        kernels.use_liger(model, lm.name, measured)
    trainer = _AnswerTrainer(
        model=model,
        args=_arguments(recipe, method, steps, saved.path),
        train_dataset=data,
        eval_dataset=held_out,
        data_collator=collator,
        callbacks=[watch],
    )
    precision = torch.bfloat16 if mixed_precision else None
    if lm.dtype == "bfloat16" and not torch.cuda.is_available():
        trainer.plain_attention = PLAIN_ATTENTION
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with packing.read_rows(model, packed), linear_products.fused(model):
        trainer.prepare(watch, saved, recipe, objective, precision)
        trainer.train(resume_from_checkpoint=str(saved.last) if saved.last else None)
        trainer.attend()
    history = _history(trainer.state.log_history, base_loss)
    losses = history.set_index("step")["validation_loss"].drop(0).dropna()
    best_step = int(losses.idxmin())
    kept_step = best_step if recipe.early_stopping else int(losses.index[-1])
    if kept_step != int(losses.index[-1]):
        load_trainable(model, saved.best(best_step))
    final_loss = float(losses[kept_step])
    if mixed_precision:  # what is saved and measured are the rounded weights
        model = cast_weights(model, torch.bfloat16)
        final_loss = measured(model)
    model.eval()
    files.write_folder(adapters.folder_in(folder.path), partial(peft.save, model, lm, recipe))
    saved.clear()
    lm.model = model
    result = TrainingResult(
        history=history,
        base_validation_loss=base_loss,
        validation_loss=final_loss,
        best_step=best_step,
        optimizer_steps=trainer.state.global_step,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        tokens_per_second=watch.tokens / watch.step_seconds,
        seconds=watch.seconds(),
        peak_memory_mb=_peak_memory_mb(),
    )
    result.keep(folder, fingerprint)
    return result


def examples(
    lm: LanguageModel, pairs: Sequence[TrainingPair], reserved: int = 0
) -> tuple[list[Example], dict[str, int]]:
    """(examples, counts) of pairs, as a model of this kind learns them (`objectives`)."""
    return objectives.of(lm).examples(lm, pairs, reserved)


def answers(
    lm: LanguageModel, pairs: Sequence[TrainingPair], max_new_tokens: int = 40
) -> list[str]:
    """What the model answers to the prompts of some pairs, to be looked at."""
    questions = [Question(pair.id, pair.question, (pair.answer,)) for pair in pairs]
    passages = [[Passage("", "", title, text) for title, text in p.passages] for p in pairs]
    rows = answer_batch(lm, questions, passages, max_new_tokens)
    return [row["answer"] for row in rows]


def _in_rows(lm: LanguageModel, recipe: Recipe) -> bool:
    """Whether batches are rows (`packing`): on a processor where that can be, on a GPU where it is
    asked for. Raises StudyError where it is asked for and cannot be."""
    virtual = methods.find(recipe.method).family == "virtual"
    fits = not virtual and packing.fits(lm)
    if recipe.padding_free and not fits:
        what = f"method {recipe.method}" if virtual else f"{lm.name}"
        raise StudyError(
            f"padding_free cannot be had with {what}: it is for the architectures "
            f"{', '.join(packing.ARCHITECTURES)}, without windows of attention, and for methods "
            "without virtual tokens. Leave it out."
        )
    return fits and (recipe.padding_free or lm.device.type == "cpu")


def _arguments(
    recipe: Recipe, method: methods.Method, steps: int, output_dir: Path
) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(output_dir),
        num_train_epochs=recipe.epochs,
        max_steps=steps,
        learning_rate=recipe.learning_rate or method.learning_rate,
        warmup_steps=steps // 10,
        per_device_train_batch_size=recipe.batch_size,
        eval_strategy="no",  # `_Watch` says when to evaluate, to save and to log
        save_strategy="no",
        logging_strategy="no",
        activation_checkpointing=recipe.gradient_checkpointing,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to=[],
        disable_tqdm=True,
        log_level="error",
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen
        seed=recipe.seed,
        data_seed=recipe.seed,
        use_cpu=not torch.cuda.is_available(),
    )
    # One model, spread over the GPUs or on one of them: never copied to each (nn.DataParallel).
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class _AnswerTrainer(Trainer):
    plain_attention = 0  # longest batch for it

    def prepare(
        self,
        watch: _Watch,
        saved: Checkpoints,
        recipe: Recipe,
        objective: Objective,
        autocast: torch.dtype | None,
    ) -> None:
        self._watch, self._saved, self._recipe, self._autocast = watch, saved, recipe, autocast
        self._loss = objective.loss
        self._attention = self.model.config._attn_implementation
        self.remove_callback(PrinterCallback)

    def attend(self, length: int | None = None) -> None:
        """Choose the attention for a batch of this length; without a length, the model's own.

        It stays until the next choice: with gradient checkpointing the backward pass needs it, too.
        """
        plain = length is not None and length <= self.plain_attention and self._attention == "sdpa"
        name = "eager" if plain else self._attention
        if self.model.config._attn_implementation != name:
            model = self.model
            base = model.get_base_model() if hasattr(model, "get_base_model") else model
            base.set_attn_implementation(name)

    def _get_train_sampler(self, train_dataset=None):
        """An order that depends on seed and epoch alone, so that a resumed run keeps it."""
        return Shuffled(len(train_dataset or self.train_dataset), self._recipe.seed)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        self.attend(inputs["input_ids"].shape[1])
        with self._precision():
            loss = self._loss(model, inputs, num_items_in_batch)
        if not math.isfinite(float(loss.detach())):
            raise _astray("training loss", self.state.global_step + 1)
        counted = "lengths" if "lengths" in inputs else "attention_mask"
        self._watch.tokens += int(inputs[counted].sum())
        return (loss, {}) if return_outputs else loss

    def evaluate(self, *_arguments, **_options) -> dict[str, float]:
        """The held-out loss by token, as for the base model; Trainer's own weighs by batch."""
        self.attend()
        with self._precision():
            loss = validation_loss(
                self.model,
                self.eval_dataset,
                self.data_collator,
                self._recipe.batch_size,
                self._loss,
            )
        if not math.isfinite(loss):
            raise _astray("held-out loss", self.state.global_step)
        self.log({"eval_loss": loss})
        self.control.should_evaluate = False
        if self._recipe.early_stopping:
            self._keep_best()
        return {"eval_loss": loss}

    def _keep_best(self) -> None:
        losses = [entry["eval_loss"] for entry in self.state.log_history if "eval_loss" in entry]
        best = losses.index(min(losses))
        if best == len(losses) - 1:
            save_trainable(self.model, self._saved.best(self.state.global_step))
        elif len(losses) - 1 - best >= PATIENCE:
            self.control.should_training_stop = True
            # A run resumed from here would train on; from before, it stops here again.
            self.control.should_save = False

    def _precision(self) -> contextlib.AbstractContextManager:
        if self._autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.args.device.type, dtype=self._autocast)

    def _save_checkpoint(self, model, trial):
        began = time.monotonic()
        super()._save_checkpoint(model, trial)
        self._watch.checkpoint_written(self.state.global_step, began)

    def _save(self, output_dir=None, state_dict=None):
        save_trainable(self.model, Path(output_dir) / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        load_trainable(self.model, Path(resume_from_checkpoint) / WEIGHTS)


def _astray(what: str, step: int) -> StudyError:
    return StudyError(
        f"the {what} is not a number (or infinite) at step {step}. "
        "Try a lower learning_rate, or dtype float32."
    )


class Shuffled(torch.utils.data.Sampler):
    """All examples, in an order of their own for each seed and epoch.

    Not in batches of equal length: with short ones together, the shortest at the end, the held-out
    loss of small trainings differed twice as much from seed to seed (benchmarks/README.md).
    """

    def __init__(self, number: int, seed: int):
        self._number, self._seed, self._epoch = number, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 100_003 + self._epoch)
        return iter(torch.randperm(self._number, generator=generator).tolist())


class _Watch(TrainerCallback):
    """Says when to log, evaluate and save; tells the progress; keeps the time.

    `keep` writes the weights after a step, for those steps whose weights are asked for.
    """

    def __init__(
        self,
        folder: RunFolder,
        saved: Checkpoints,
        recipe: Recipe,
        steps: int,
        per_epoch: int,
        keep: Mapping[int, Callable[[], None]],
    ):
        self._folder, self._saved, self._batch_size = folder, saved, recipe.batch_size
        self._steps, self._keep = steps, keep
        self._log_every = max(1, steps // 40)
        few = recipe.max_steps == 0 and recipe.epochs <= MAX_EVALUATIONS
        self._evaluate_every = per_epoch if few else -(-steps // MAX_EVALUATIONS)
        self.tokens = saved.facts.get("tokens", 0)
        self.step_seconds = saved.facts.get("step_seconds", 0.0)
        self._seconds_before = saved.facts.get("seconds", 0.0)
        self._began = self._last_saved = self._step_began = time.monotonic()
        self._last_told = 0.0
        self._pause = SAVE_SECONDS

    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def on_step_begin(self, args, state, control, **_):
        self._step_began = time.monotonic()

    def on_step_end(self, args, state, control, **_):
        now = time.monotonic()
        self.step_seconds += now - self._step_began
        step, last = state.global_step, state.global_step == self._steps
        if last or now - self._last_told >= 1:  # a file, and on clusters a slow one
            self._folder.set_progress(step * self._batch_size, self._steps * self._batch_size)
            self._last_told = now
        control.should_log = last or step % self._log_every == 0
        kept = step in self._keep
        if kept:
            self._keep[step]()
        control.should_evaluate = last or kept or step % self._evaluate_every == 0
        control.should_save = not last and now - self._last_saved >= self._pause

    def checkpoint_written(self, step: int, began: float) -> None:
        """`began` on the monotonic clock: large states take long to write, but never a tenth of
        the time."""
        facts = {"tokens": self.tokens, "step_seconds": self.step_seconds}
        self._saved.completed(step, seconds=self.seconds(), **facts)
        self._last_saved = time.monotonic()
        self._pause = max(SAVE_SECONDS, 10 * (self._last_saved - began))


def _fingerprint(
    lm: LanguageModel, data: Sequence[Example], held_out: Sequence[Example], recipe: Recipe
) -> str:
    """Stands for everything that a checkpoint depends on."""
    parts = [lm.name, lm.dtype, asdict(recipe), list(data), list(held_out)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _peak_memory_mb() -> float:
    """Most memory used at once: on the GPUs by tensors, else by this process since it began."""
    if not torch.cuda.is_available():
        return meter.peak_memory_mb()
    devices = range(torch.cuda.device_count())
    return round(sum(torch.cuda.max_memory_allocated(i) for i in devices) / 1e6, 1)


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
