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
