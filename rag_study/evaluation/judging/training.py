"""Training a small model to be a judge, on answers of known quality (`training_material`).

The model learns to put the right digit where `prompts.judge_prompt` ends; in use, the expectation
over the five digits is the score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from rag_study.evaluation.judging import prompts as judging_prompts
from rag_study.evaluation.judging.training_material import Graded
from rag_study.models.language_model import LanguageModel
from rag_study.training import peft
from rag_study.training.recipe import Recipe

# Trees that are read at once: long enough that each operation has work, short enough for attention,
# whose cost grows with the square.
PACKED_TOKENS = {"cpu": 512, "cuda": 1536}


@dataclass(frozen=True)
class Tree:
    """Several answers to one question as one sequence, in which each answer sees the question and
    itself, but no other answer.

    What all prompts begin with is computed once, and each answer once for all criteria. `ids`
    and `positions` have one entry per token; `parents` says for each token which one comes before
    it (-1: none); `labels` maps the index of a prompt's last token to the digit's token that
    should follow.
    """

    ids: list[int]
    positions: list[int]
    parents: list[int]
    labels: dict[int, int]


def trees(lm: LanguageModel, material: Sequence[Graded], max_tokens: int = 900) -> list[Tree]:
    """The material by question and reference, in trees that are not much longer than `max_tokens`
    (memory and time of attention grow with the square)."""
    digits = judging_prompts.digit_tokens(lm.tokenizer)
    groups: dict[tuple[str, str], list[Graded]] = defaultdict(list)
    for answer in material:
        groups[answer.question, answer.reference].append(answer)
    made = []
    for (question, reference), answers in groups.items():
        branches, size = [], 0
        for answer in answers:
            prefix, endings = judging_prompts.judge_prompt(
                lm.tokenizer,
                question,
                reference,
                answer.candidate,
                judging_prompts.TRAINED_CRITERIA,
            )
            leaves = [(endings[name], digits[score - 1]) for name, score in answer.scores.items()]
            length = len(prefix) + sum(len(ending) for ending, _ in leaves)
            if branches and size + length > max_tokens:
                made.append(_tree(branches))
                branches, size = [], 0
            branches.append((prefix, leaves))
            size += length
        made.append(_tree(branches))
    return made


def _tree(branches: Sequence[tuple[list[int], list[tuple[list[int], int]]]]) -> Tree:
    """The prompts as one tree, in which all that begin alike share their beginning."""
    tree = Tree([], [], [], {})
    children: dict[tuple[int, int], int] = {}

    def grow(tokens: Sequence[int], parent: int) -> int:
        for token in tokens:
            place = children.setdefault((parent, token), len(tree.ids))
            if place == len(tree.ids):
                tree.ids.append(token)
                tree.positions.append(tree.positions[parent] + 1 if parent >= 0 else 0)
                tree.parents.append(parent)
            parent = place
        return parent

    for prefix, leaves in branches:
        branch = grow(prefix, -1)
        for ending, digit in leaves:
            tree.labels[grow(ending, branch)] = digit
    return tree


def packed(forest: Sequence[Tree], max_tokens: int) -> Iterator[Tree]:
    """The trees, several side by side in one sequence of at most `max_tokens` (or a longer tree
    alone). No tree sees another."""
    pack = Tree([], [], [], {})
    for tree in forest:
        if pack.ids and len(pack.ids) + len(tree.ids) > max_tokens:
            yield pack
            pack = Tree([], [], [], {})
        start = len(pack.ids)
        pack.ids.extend(tree.ids)
        pack.positions.extend(tree.positions)
        pack.parents.extend(parent + start if parent >= 0 else -1 for parent in tree.parents)
        pack.labels.update({place + start: digit for place, digit in tree.labels.items()})
    yield pack


def tree_inputs(tree: Tree, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """What a model takes to read a tree: ids and positions (1, length), mask (1, 1, length, length)
    in which a token sees itself and those before it on its own branch."""
    length = len(tree.ids)
    mask = torch.zeros(length, length, dtype=torch.bool)
    for token, parent in enumerate(tree.parents):
        if parent >= 0:
            mask[token] = mask[parent]
        mask[token, token] = True
    return {
        "input_ids": torch.tensor([tree.ids], device=device),
        "position_ids": torch.tensor([tree.positions], device=device),
        "attention_mask": mask[None, None].to(device),
    }


def tree_loss(model: Any, tree: Tree) -> torch.Tensor:
    """Summed cross-entropy (nats) of the right digits, over the whole vocabulary: the model also
    learns that a digit comes there."""
    device = model.device
    places = torch.tensor(list(tree.labels), device=device)
    logits = model(**tree_inputs(tree, device), logits_to_keep=places, use_cache=False).logits[0]
    wanted = torch.tensor(list(tree.labels.values()), device=device)
    return torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="sum")


def train(
    lm: LanguageModel,
    forest: Sequence[Tree],
    recipe: Recipe,
    on_step: Callable[[int, float], None] = lambda *_: None,
    start: Path | None = None,
) -> None:
    """Train an adapter on trees, `recipe.batch_size` of them to a step of AdamW; the one in the
    folder `start` where there is one.

    Linear decay of the learning rate after 10 % warm-up. `lm.model` is then the tuned model;
    `save` writes it. `on_step` is told the step and its loss, in nats per score.
    """
    from transformers import get_linear_schedule_with_warmup, set_seed

    set_seed(recipe.seed)
    model = peft.wrap(lm, recipe, start)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=0.0)
    order = [i for _ in range(recipe.epochs) for i in random_order(len(forest), recipe.seed)]
    size = recipe.batch_size
    steps = -(-len(order) // size)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    for step in range(steps):
        batch = [forest[index] for index in order[step * size : (step + 1) * size]]
        scores = sum(len(tree.labels) for tree in batch)
        total = 0.0
        for pack in packed(batch, PACKED_TOKENS[model.device.type]):
            loss = tree_loss(model, pack) / scores
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        on_step(step + 1, total)
    model.eval()
    lm.model = model


def random_order(number: int, seed: int) -> list[int]:
    order = list(range(number))
    Random(seed).shuffle(order)
    return order


def within(forest: Sequence[Tree], max_tokens: int, seed: int) -> list[Tree]:
    """Trees drawn at random until they have `max_tokens` tokens together."""
    drawn, used = [], 0
    for index in random_order(len(forest), seed):
        used += len(forest[index].ids)
        if used > max_tokens:
            break
        drawn.append(forest[index])
    return drawn


def save(lm: LanguageModel, recipe: Recipe, folder: Path) -> None:
    """Write the trained adapter in half precision: half the size, and scores that differ by less
    than 0.01."""
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True, exist_ok=True)
    peft.save(lm.model, lm, recipe, folder)
    weights = folder / "adapter_model.safetensors"
    halved = {name: weight.half() for name, weight in load_file(weights).items()}
    save_file(halved, weights, metadata={"format": "pt"})
