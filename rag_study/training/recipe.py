"""How a model is trained: formats of the examples, styles of the answers, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag_study.common.errors import StudyError

# How a training example looks, and what that is called.
TRAIN_FORMATS = {
    "closed_book": "trained without passages",
    "with_context": "trained with the right passage",
    "raft": "trained with right and wrong passages",
}
# What a model knew of a question before: the classes of Gekhman et al. (2024, arXiv 2405.05904), of
# which the first three together are "known" there, and here.
HIGHLY, MAYBE, WEAKLY = "highly known", "maybe known", "weakly known"
UNKNOWN = "unknown"
KNOWN_BEFORE = {"known": (HIGHLY, MAYBE, WEAKLY), "unknown": (UNKNOWN,)}
TRAIN_ON = ("all", *KNOWN_BEFORE)
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
    `checkpoints` are the shares of the steps after which the weights are kept; those after the
    last step (1) always are. `early_stopping` keeps the weights with the lowest held-out loss.
    `gradient_checkpointing` trades about a third of the speed for most of the memory of
    activations. `kernels` and `padding_free` change how fast a GPU trains, and results by rounding
    alone (docs/fine-tuning.md).
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
    checkpoints: tuple[float, ...] = (1.0,)
    early_stopping: bool = False
    target_modules: str | tuple[str, ...] | None = None
    gradient_checkpointing: bool = False
    kernels: str = "standard"
    padding_free: bool = False


def optimizer_steps(examples: int, batch_size: int, epochs: int, max_steps: int | None) -> int:
    """The steps of a whole training."""
    return max_steps or -(-examples // batch_size) * epochs


def checkpoint_step(share: float, steps: int) -> int:
    """The step after which this share of the steps is done."""
    return max(1, round(share * steps))


def checkpoint_steps(checkpoints: Sequence[float], steps: int) -> dict[int, float]:
    """The step of each checkpoint -> its share of the `steps`. Raises StudyError where two are the
    same step, so that their weights would be."""
    shares = {checkpoint_step(share, steps): share for share in checkpoints}
    if len(shares) < len(checkpoints):
        said = ", ".join(f"{share:g}" for share in checkpoints)
        raise StudyError(
            f"checkpoints: of {steps} steps, two of {said} are after the same one. Give fewer, or "
            "train for more steps (epochs, train_size)."
        )
    return shares
