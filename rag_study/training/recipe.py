"""How a model is trained: formats of the examples, styles of the answers, and the numbers."""

from __future__ import annotations

from dataclasses import dataclass

# How a training example looks, and what that is called.
TRAIN_FORMATS = {
    "closed_book": "trained closed-book",
    "with_context": "trained with the gold passage",
    "raft": "trained with gold and distractor passages",
}
ANSWER_STYLES = ("as_given", "short", "long")
# Whose answers are learned, beside a model's name: the data's, or those of the model itself.
GOLD, SELF = "gold", "self"
# What a model is shown when it writes the answers, and what that is called.
ANSWERED_FROM = {"passages": "from passages", "few_shot": "few-shot", "closed_book": "closed book"}
NUM_EXAMPLES = 4  # shown where it is `few_shot`
# What a question gets whose written answer disagrees with the gold answer.
OTHERWISE = ("gold", "left_out")
# What became of it, in the counts of `pairs.with_answers`.
BY_MODEL = "answers that a model wrote"
IN_PLACE = "gold answers in their place"
LEFT_OUT = "left out, as the written answer disagrees"
HELD_OUT = 40  # validation questions that the held-out loss is measured on
_DEDUPLICATED = ", deduplicated"


def subset_name(seed: int, deduplicate: bool) -> str:
    """The name of the order in which training questions are taken; its beginnings are nested."""
    return f"seed {seed}{_DEDUPLICATED if deduplicate else ''}"


def subset_of(name: str) -> tuple[int, bool]:
    """The (seed, deduplicate) of a `subset_name`. Raises ValueError for another text."""
    seed = name.removesuffix(_DEDUPLICATED)
    if not (seed.startswith("seed ") and seed[5:].isdecimal()):
        raise ValueError(f"'{name}' is not of the form 'seed 0' or 'seed 0{_DEDUPLICATED}'")
    return int(seed[5:]), name.endswith(_DEDUPLICATED)


@dataclass(frozen=True)
class Recipe:
    """How to train. `max_steps` above 0 sets the optimizer steps, else `epochs` decides.

    `learning_rate` None is the method's own (`models.METHODS`). Rank and alpha concern the LoRA
    family (alpha = 2 x rank, PEFT's usual setting), `num_virtual_tokens` prompt and prefix tuning,
    `target_modules` (names, or one pattern; None: the method's own) LoRA and IA3.
    `early_stopping` keeps the weights with the lowest held-out loss. `gradient_checkpointing`
    trades about a third of the speed for most of the memory of activations.
    """

    method: str = "lora"
    epochs: int = 3
    max_steps: int = 0
    learning_rate: float | None = None
    lora_rank: int = 16
    lora_alpha: int = 32
    num_virtual_tokens: int = 20
    batch_size: int = 8
    seed: int = 0
    early_stopping: bool = False
    target_modules: str | tuple[str, ...] | None = None
    gradient_checkpointing: bool = False
