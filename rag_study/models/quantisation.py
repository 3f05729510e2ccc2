"""4-bit bases with bitsandbytes, and the proof that they are 4-bit.

bitsandbytes replaces `nn.Linear` layers and nothing else, without a word about what it left. In
transformers 5 the experts of Mixtral and its kind are single fused parameters: such a model loads
"in 4-bit" and still takes nearly all of its 16-bit memory. So the size is predicted before
anything is loaded, and measured afterwards.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from rag_study.common.errors import StudyError

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel

# Above the ideal size by so much, a model is not what one calls 4-bit.
TOLERANCE = 1.3


def four_bit_config(dtype: torch.dtype) -> BitsAndBytesConfig:
    """NF4 with double quantisation, computing in `dtype` (QLoRA, Dettmers et al. 2023).

    Raises StudyError where bitsandbytes is not installed.
    """
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise StudyError(
            "4-bit loading (method qlora) needs the package bitsandbytes, which is not installed. "
            f"Install it with:  {sys.executable} -m pip install bitsandbytes"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def check_config(name: str, config: PretrainedConfig, dtype: torch.dtype) -> None:
    """Raise StudyError when bitsandbytes would leave most of the model as it is.

    Builds the model without memory (meta device): nothing is loaded for it.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config, dtype=dtype)
    linear = {module.weight for module in skeleton.modules() if isinstance(module, torch.nn.Linear)}
    left = {
        parameter_name: parameter
        for parameter_name, parameter in skeleton.named_parameters()
        if _can_be_packed(skeleton, parameter) and parameter not in linear
    }
    ideal = ideal_bytes(skeleton)
    expected = ideal + sum(p.numel() * (p.element_size() - 0.5) for p in left.values())
    if expected > TOLERANCE * ideal:
        raise StudyError(
            f"{name} cannot be loaded in 4-bit by bitsandbytes: it converts nn.Linear layers only, "
            f"and {max(left, key=lambda key: left[key].numel())} and "
            f"{len(left) - 1} more are fused parameters that would stay as they are. "
            f"The model would take {expected / 1e9:.1f} GB, not {ideal / 1e9:.1f} GB. {_ADVICE}"
        )


def check_loaded(name: str, model: PreTrainedModel) -> None:
    """Raise StudyError unless the loaded model really is 4-bit: its layers and its size."""
    from bitsandbytes.nn import Linear4bit

    ideal = ideal_bytes(model)
    size = model.get_memory_footprint(return_buffers=False)
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    if not layers:
        raise StudyError(f"{name} was asked for in 4-bit and has no 4-bit layer. {_ADVICE}")
    if size > TOLERANCE * ideal:
        raise StudyError(
            f"{name} was asked for in 4-bit and takes {size / 1e9:.1f} GB; "
            f"{ideal / 1e9:.1f} GB would be right for 4-bit. {_ADVICE}"
        )
    for layer in layers:
        # On processors with AVX512-BF16, the first evaluation would repack the weights for good,
        # in a layout that loses precision and through which no gradient flows: training after
        # it would go wrong without a word.
        layer.support_avx512bf16_for_cpu = False


_ADVICE = (
    "Use method lora in bfloat16 on hardware that holds the whole model (several GPUs are used "
    "together), or a checkpoint that another quantiser has made 4-bit."
)


def ideal_bytes(model: Any) -> float:
    """Bytes of the weights if every matrix but the embeddings took 4 bits a number."""
    return sum(
        _numbers(p) / 2 if _can_be_packed(model, p) else p.numel() * p.element_size()
        for p in model.parameters()
    )


def _can_be_packed(model: Any, parameter: Any) -> bool:
    embeddings = (model.get_input_embeddings(), model.get_output_embeddings())
    outside = any(layer is not None and layer.weight is parameter for layer in embeddings)
    return parameter.dim() > 1 and not outside


def _numbers(parameter: Any) -> int:
    """How many weights a parameter stands for: a packed one holds two in each byte."""
    packed = getattr(parameter, "quant_state", None) is not None
    return parameter.numel() * 2 * parameter.element_size() if packed else parameter.numel()
