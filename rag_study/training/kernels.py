"""What computes a model's layers while it is trained, on a GPU.

`liger` are the fused kernels of Liger (Hsu et al. 2024, arXiv 2410.10989), put in by transformers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError

if TYPE_CHECKING:
    from rag_study.models.language_model import LanguageModel

KERNELS = ("standard", "liger")
SAME_LOSS = 0.02  # share by which rounding may change a held-out loss


def missing_for(kernels: str, gpu: bool) -> str | None:
    """What kernels need that is not here, in a sentence; `gpu` says whether one can be used."""
    if kernels == "standard":
        return None
    instead = "Leave `kernels` out (standard)."
    if not gpu:
        return f"kernels: {kernels} needs a GPU, and none can be used here. {instead}"
    if not importlib.util.find_spec("liger_kernel"):
        return (
            f"kernels: {kernels} needs the package liger-kernel, which is not installed: "
            f"pip install liger-kernel. {instead}"
        )
    return None


def check(lm: LanguageModel, kernels: str) -> None:
    """Raise StudyError where Liger's kernels are asked for and would not be used."""
    if kernels == "standard":
        return
    import torch

    if missing := missing_for(kernels, torch.cuda.is_available()):
        raise StudyError(missing)
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as KNOWN

    if len({weights.device for weights in lm.model.parameters()}) > 1:
        raise StudyError(
            f"kernels: liger runs on one GPU, and {lm.name} is spread over several. Leave "
            "`kernels` out, or let the run see one (CUDA_VISIBLE_DEVICES)."
        )
    kind = lm.model.config.model_type
    if kind not in KNOWN:
        raise StudyError(
            f"kernels: liger has none for {lm.name}, a model of type {kind}. Leave `kernels` out."
        )


def use_liger(model: Any, name: str, measured: Callable[[Any], float]) -> None:
    """Have Liger's kernels compute a model's layers, in place.

    Raises StudyError where they compute something else: they turn all of a head by its position,
    say, of which some models turn a part.
    """
    from transformers.integrations.liger import apply_liger_kernel

    before = measured(model)
    # The loss is ours: no other may take its place in the model's forward pass.
    apply_liger_kernel(model, {"cross_entropy": False, "fused_linear_cross_entropy": False})
    after = measured(model)
    if abs(after - before) > SAME_LOSS * before:
        raise StudyError(
            f"kernels: liger changes what {name} computes: before any training, its held-out loss "
            f"is {after:.3f} with them and {before:.3f} without. Leave `kernels` out."
        )
