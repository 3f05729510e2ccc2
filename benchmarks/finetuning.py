"""How fast fine-tuning is, next to the tools that one would reach for.

Trains the bundled SmolLM2 135M on the fictional data set with this project, with transformers'
Trainer and PEFT, and with TRL's SFTTrainer, one after another in one process. The same for all:
examples and their random order, first weights (base in bfloat16, LoRA in float32 on all linear
layers), batch size, optimizer and schedule, number of steps, seeds. Each tool's own: padding, the
loss's implementation, the precision of LoRA's products (TRL and this project: bfloat16), and
whether activations are computed again (TRL's default; it is measured without, and without padding,
as well). On Linux, by hand:

    pip install --no-deps trl==1.16.0    # only this script needs it; its dependencies are there
    python benchmarks/finetuning.py      # about 10 minutes on two slow cores
    python benchmarks/finetuning.py --examples 200 --repeats 3    # more than an hour
    python benchmarks/finetuning.py --processor-time    # one thread; where other work goes on
    python benchmarks/finetuning.py --growth    # this project at 1, 4 and 16 times the examples
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib.util
import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, get_peft_model
from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments
from transformers import set_seed as seed_everything

from rag_study import data as qa_datasets
from rag_study import retrieval
from rag_study.common import run_folder
from rag_study.models import loading, prompts
from rag_study.models.language_model import LanguageModel
from rag_study.training import finetune
from rag_study.training.examples import IGNORED, Example, collate, validation_loss
from rag_study.training.pairs import PassageSource, TrainingPair, make_pairs, select, with_answers
from rag_study.training.recipe import Recipe

MODEL, EMBEDDING = "smollm2-135m-instruct", "all-minilm-l6-v2"
CHUNK_SIZE, CHUNK_OVERLAP, TOP_K = 128, 16, 2  # as in params/demo.yaml
BATCH, RANK, ALPHA, LEARNING_RATE = 8, 16, 32, 5e-4
HELD_OUT = 40
LINEAR_WEIGHTS = 106_168_320  # in the layers of the model, which every token passes
DEFAULTS = {"closed_book": (64, 3), "with_context": (32, 2)}  # kind -> examples, alternations


@dataclass(frozen=True)
class Material:
    """One kind of examples: tokenised for this project, as text for TRL."""

    train: list[Example]
    texts: list[dict[str, str]]
    held_out: list[Example]
    epochs: int

    @property
    def steps(self) -> int:
        return -(-len(self.train) // BATCH) * self.epochs

    @property
    def tokens(self) -> int:
        return sum(len(one["input_ids"]) for one in self.train) * self.epochs


@dataclass(frozen=True)
class Measured:
    """One training; `memory_mb` is the peak above what the process had before."""

    tokens_per_second: float
    validation_loss: float
    memory_mb: float


# (model, material, folder, seed) -> tokens per second; the model is then the tuned one.
Contender = Callable[[LanguageModel, Material, Path, int], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=list(DEFAULTS), default=list(DEFAULTS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--examples", type=int, help="default: 64 closed_book, 32 with_context")
    parser.add_argument("--repeats", type=int, help="default: 3 closed_book, 2 with_context")
    parser.add_argument("--first-seed", type=int, default=0, help="the rounds count up from it")
    parser.add_argument("--steps", type=int, default=0, help="whole epochs; default: one epoch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor-time", action="store_true", help="one thread, by its time")
    parser.add_argument("--growth", action="store_true", help="of time and memory, by examples")
    given = parser.parse_args()
    others = any("trl" in name for name in given.contenders) and not given.growth
    if others and not importlib.util.find_spec("trl"):
        raise SystemExit(
            "TRL, which this script alone needs, is missing:  pip install --no-deps trl==1.16.0\n"
            "To go without it:  --contenders this_project trainer_peft"
        )
    torch.set_num_threads(1 if given.processor_time else given.threads)
    if given.processor_time:  # the clock of this project's steps and of the others'
        time.monotonic = time.process_time
    for kind in given.kinds:
        size, repeats = DEFAULTS[kind]
        if given.growth:
            growth(kind, given.examples or 16)
            continue
        material = prepare(kind, given.examples or size, given.steps)
        seeds = range(given.first_seed, given.first_seed + (given.repeats or repeats))
        compare(kind, material, seeds, given.contenders)


def prepare(kind: str, size: int, steps: int) -> Material:
    """Examples of the fictional data set; `with_context` has the gold passages in the prompt."""
    data = qa_datasets.load("fictional")
    pools = qa_datasets.split(data).pools
    embedding = retrieval.load_embedding(EMBEDDING)  # its tokenizer counts; nothing is searched
    nodes = retrieval.split_documents(list(data.documents), CHUNK_SIZE, CHUNK_OVERLAP, embedding)
    no_hits = pd.DataFrame(columns=["question_id", "rank", "chunk_id"])
    source = PassageSource(retrieval.chunk_table(nodes, embedding), no_hits, TOP_K)
    lm = loading.load_generator(MODEL, "bfloat16")

    def pairs(pool: str, number: int) -> list[TrainingPair]:
        questions = select(pools[pool], number, seed=0)[0]
        return make_pairs(with_answers(questions)[0], kind, source)[0]

    size = min(size, steps * BATCH) if steps else size
    training = pairs("train", size)
    messages = [prompts.answer_messages(pair.question, pair.passages) for pair in training]
    return Material(
        train=finetune.examples(lm, training)[0],
        texts=[
            {"prompt": prompts.render(lm.tokenizer, asked), "completion": pair.answer}
            for asked, pair in zip(messages, training, strict=True)
        ],
        held_out=finetune.examples(lm, pairs("validation", HELD_OUT))[0],
        epochs=max(1, round(steps / -(-size // BATCH))),
    )


def compare(kind: str, material: Material, seeds: Sequence[int], names: Sequence[str]) -> None:
    """Train with every contender in turn, once for each seed, and print a table of medians."""
    print(
        f"\n{kind}: {len(material.train)} examples, {material.tokens} tokens, {material.steps} "
        f"steps in {material.epochs} epoch(s); {len(material.held_out)} examples held out; "
        f"load of the machine {os.getloadavg()[0]:.1f}"
    )
    rows = material.tokens // material.steps
    peak = matmul_peak(rows)
    print(f"matmul in bfloat16, {rows} x 576 x 1536: {peak:.0f} GFLOP/s")
    few = {"train": material.train[:BATCH], "held_out": material.held_out[:BATCH], "epochs": 1}
    measure(this_project, replace(material, **few), seed=0)  # warms up, not counted
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for seed in seeds:
        turn = seed % len(names)
        for name in [*names[turn:], *names[:turn]]:
            one = measure(CONTENDERS[name], material, seed)
            found[name].append(one)
            print(f"  seed {seed}, {name}: {one}", flush=True)
    print(f"\n{table(found, peak)}", flush=True)


def growth(kind: str, size: int) -> None:
    """Print what 1, 4 and 16 times so many examples take, and the exponents of the growth."""
    sizes = [size, 4 * size, 16 * size]
    measure(this_project, prepare(kind, size, 0), seed=0)  # warms up, not counted
    rows = []
    for number in sizes:
        material = prepare(kind, number, 0)
        one = measure(this_project, material, seed=0)
        rows.append((material.tokens / one.tokens_per_second, one.memory_mb))
        print(f"{kind}, {len(material.train)} examples: {rows[-1][0]:.1f} s, {rows[-1][1]:.0f} MB")
    exponents = np.polyfit(np.log(sizes), np.log(rows), 1)[0]
    print(f"time grows with the power {exponents[0]:.2f}, memory with {exponents[1]:.2f}")


def table(found: dict[str, list[Measured]], peak: float) -> str:
    """Markdown: medians with ranges, and the share of the matmul peak.

    LoRA takes 4 operations per weight and token: forward, and backward to the inputs alone. The
    share counts tokens as they stand in the examples: one that is read once for all counts often.
    """
    head = "| contender | tokens/s (range) | of the peak | held-out loss (range) | memory |"
    lines = [head, "|---|---|---|---|---|"]
    for name, measured in found.items():
        speeds = sorted(one.tokens_per_second for one in measured)
        losses = sorted(one.validation_loss for one in measured)
        share = median(speeds) * 4 * LINEAR_WEIGHTS / 1e9 / peak
        lines.append(
            f"| {name} | {median(speeds):.0f} ({speeds[0]:.0f} to {speeds[-1]:.0f}) | {share:.0%} "
            f"| {median(losses):.3f} ({losses[0]:.3f} to {losses[-1]:.3f}) "
            f"| {median(one.memory_mb for one in measured):.0f} MB |"
        )
    return "\n".join(lines)


def measure(contender: Contender, material: Material, seed: int) -> Measured:
    """One training from the base's weights, with its peak memory and its held-out loss."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier trainings left behind
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = memory_mb("VmRSS")
    lm = loading.load_generator(MODEL, "bfloat16")
    collator = partial(collate, pad_id=lm.tokenizer.pad_token_id)
    # The trainers' progress and logs are not of interest.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        speed = contender(lm, material, Path(folder), seed)
    memory = memory_mb("VmHWM") - before
    return Measured(speed, validation_loss(lm.model, material.held_out, collator, BATCH), memory)


def memory_mb(field: str) -> float:
    """From /proc/self/status: VmRSS is memory in use, VmHWM its peak."""
    return (
        int(Path("/proc/self/status").read_text(encoding="utf-8").split(f"{field}:")[1].split()[0])
        / 1024
    )


def this_project(lm: LanguageModel, material: Material, folder: Path, seed: int) -> float:
    os.environ["RAG_STUDY_OUTPUTS"] = str(folder)
    run = run_folder.RunFolder("fine_tune/benchmark")
    run.path.mkdir(parents=True)
    options = {"learning_rate": LEARNING_RATE, "lora_rank": RANK, "lora_alpha": ALPHA}
    recipe = Recipe(epochs=material.epochs, batch_size=BATCH, seed=seed, **options)
    return finetune.train(lm, material.train, material.held_out, recipe, run).tokens_per_second


def trainer_peft(lm: LanguageModel, material: Material, folder: Path, seed: int) -> float:
    """What tutorials show: labels of -100 on the prompt, padded on the right, the model's loss."""
    seed_everything(seed)
    lm.tokenizer.padding_side = "right"
    rows = []
    for one in material.train:
        ids, completion = one["input_ids"], one["completion"]
        labels = [IGNORED] * (len(ids) - len(completion)) + completion
        rows.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels})
    model, collator = get_peft_model(lm.model, lora()), DataCollatorForSeq2Seq(lm.tokenizer)
    arguments = TrainingArguments(**common(material, folder, seed))
    trainer = Trainer(model, arguments, data_collator=collator, train_dataset=rows)
    return timed(lm, trainer, material, seed)


def trl_sft(lm: LanguageModel, material: Material, folder: Path, seed: int, **own: Any) -> float:
    """SFTTrainer on prompt and completion as text, which it tokenises and masks itself."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(**common(material, folder, seed), completion_only_loss=True, **own)
    data = Dataset.from_list(material.texts)
    options = {"processing_class": lm.tokenizer, "peft_config": lora()}
    trainer = SFTTrainer(lm.model, config, train_dataset=data, **options)
    return timed(lm, trainer, material, seed)


CONTENDERS: dict[str, Contender] = {
    "this_project": this_project,
    "trainer_peft": trainer_peft,
    "trl": trl_sft,
    "trl_no_checkpointing": partial(trl_sft, gradient_checkpointing=False),
    "trl_padding_free": partial(
        trl_sft, gradient_checkpointing=False, padding_free=True, max_length=None
    ),
}


def lora() -> LoraConfig:
    where = {"target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    return LoraConfig(r=RANK, lora_alpha=ALPHA, **where)


def common(material: Material, folder: Path, seed: int) -> dict[str, Any]:
    """The settings of transformers' Trainer that this project uses, too."""
    return {
        **{"output_dir": str(folder), "report_to": [], "save_strategy": "no", "disable_tqdm": True},
        "num_train_epochs": material.epochs,
        "learning_rate": LEARNING_RATE,
        "warmup_steps": material.steps // 10,
        "per_device_train_batch_size": BATCH,
        "seed": seed,
        "use_cpu": True,
    }


class Watch(TrainerCallback):
    """Seconds of the optimizer steps, and the tokens in them that are not padding."""

    def __init__(self) -> None:
        self.seconds, self.tokens, self._began = 0.0, 0, 0.0

    def on_step_begin(self, args, state, control, **_):
        self._began = time.monotonic()

    def on_step_end(self, args, state, control, **_):
        self.seconds += time.monotonic() - self._began

    def count(self, _model: Any, _arguments: tuple, named: dict[str, Any]) -> None:
        mask = named.get("attention_mask")
        self.tokens += named["input_ids"].numel() if mask is None else int(mask.sum())


def timed(lm: LanguageModel, trainer: Any, material: Material, seed: int) -> float:
    """Train and time the steps, as `finetune.train` does for itself, on the same batches."""
    trainer._get_train_sampler = lambda *_: finetune.Shuffled(len(material.train), seed)
    watch = Watch()
    trainer.add_callback(watch)
    hook = trainer.model.register_forward_pre_hook(watch.count, with_kwargs=True)
    trainer.train()
    hook.remove()
    done, due = (watch.tokens, trainer.state.global_step), (material.tokens, material.steps)
    if done != due:
        raise SystemExit(f"(tokens, steps) were {done}, not {due}: this is no fair comparison")
    lm.model = trainer.model
    return watch.tokens / watch.seconds


def matmul_peak(rows: int, seconds: float = 2.0) -> float:
    """GFLOP/s of a product like the model's largest: `rows` tokens, 576 to 1536 features."""
    tokens = torch.randn(rows, 576, dtype=torch.bfloat16)
    weight = torch.randn(1536, 576, dtype=torch.bfloat16)
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        torch.nn.functional.linear(tokens, weight)
        best = min(best, time.perf_counter() - began)
    return 2 * rows * 576 * 1536 / best / 1e9


if __name__ == "__main__":
    main()
