"""What linear layers multiply on a processor: by the quicker library, and LoRA's products with it.

PyTorch leaves float32 to MKL, which uses half the width of the vectors (AVX2) where the processor
is not Intel's. oneDNN, with which PyTorch multiplies bfloat16, uses all of it (AVX-512) for float32
as well: 2.2 times as fast.

LoRA's products are added to the base's in its precision, without copies in between. PEFT brings a
layer's input to the adapter's float32, multiplies there, and adds in the base's precision: the two
small products, 4 % of the arithmetic, take 40 % of the time of a step on a processor. Here they are
added in place, rounded as under autocast: in training, where weights and their gradients stay in
float32, and afterwards alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import torch
from torch.nn import functional

from rag_study.common import machine

# Of smaller matrices a product takes no longer by MKL.
_LEAST_WEIGHTS = 2**16


@lru_cache(maxsize=1)
def _has_quicker_float32() -> bool:
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and "avx512f" in machine.cpu_flags()
        and machine.cpu_vendor() != "GenuineIntel"
    )


def _is_for_onednn(weight: torch.Tensor) -> bool:
    return (
        weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and weight.numel() >= _LEAST_WEIGHTS
        and _has_quicker_float32()
    )


def _is_quicker(rows: torch.Tensor, weight: torch.Tensor) -> bool:
    return (
        _is_for_onednn(weight)
        and rows.dtype == weight.dtype
        and rows.numel() > 0
        and not torch.is_autocast_enabled("cpu")
    )


def linear(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """As torch's own, of rows (..., in) and a weight (out, in), by the quicker library. It knows no
    gradient."""
    if _is_quicker(rows, weight):
        return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return functional.linear(rows, weight, bias)


def quicken(model: Any) -> None:
    """Let a model's linear layers compute by `linear` wherever their weights get no gradient."""
    for layer in model.modules():
        if type(layer) is torch.nn.Linear and _is_for_onednn(layer.weight):
            layer.forward = partial(_linear_forward, layer)


def _linear_forward(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    factors = inputs, layer.weight, layer.bias
    trained = torch.is_grad_enabled() and any(w.requires_grad for w in layer.parameters(False))
    if trained or not _is_quicker(inputs, layer.weight):
        return functional.linear(*factors)
    return _Linear.apply(*factors)


class _Linear(torch.autograd.Function):
    """`linear` for a frozen weight and bias, with the gradient of its inputs."""

    @staticmethod
    def forward(ctx, inputs, weight, bias):
        ctx.save_for_backward(weight)
        return linear(inputs, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        return linear(gradient, weight.T, None), None, None


@contextlib.contextmanager
def fused(model: Any) -> Iterator[None]:
    """Let the model's plain LoRA layers over unquantised linear layers compute so, meanwhile.

    Others (DoRA, experts, 4-bit bases) keep PEFT's own products. Without gradients it holds, too.
    """
    layers = _fuse(model)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def fuse(model: Any) -> None:
    """As `fused`, for good, of a model that is not trained further: the adapter's weights are
    rounded to the base's precision once."""
    for layer in _fuse(model):
        for small in (*layer.lora_A.values(), *layer.lora_B.values()):
            small.weight.data = small.weight.data.to(layer.base_layer.weight.dtype)


def _fuse(model: Any) -> list[Any]:
    from peft.tuners.lora import Linear

    layers = [m for m in model.modules() if type(m) is Linear and _is_plain(m)]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    return layers


def _is_plain(layer: Any) -> bool:
    names = layer.active_adapters
    return (
        type(layer.base_layer) is torch.nn.Linear
        and layer.base_layer.weight.device.type == "cpu"
        and not layer.base_layer.weight.requires_grad
        and len(names) == 1
        and names[0] in layer.lora_A
        and not layer.lora_variant
        and not layer.lora_bias[names[0]]
        and isinstance(layer.lora_dropout[names[0]], torch.nn.Identity)
        and not (layer.merged or layer.disable_adapters)
    )


def _forward(layer: Any, inputs: torch.Tensor) -> torch.Tensor:
    (name,) = layer.active_adapters
    base, down, up = layer.base_layer, layer.lora_A[name].weight, layer.lora_B[name].weight
    factors = (base.weight, base.bias, down, up, layer.scaling[name])
    if torch.is_grad_enabled():
        return _Product.apply(inputs, *factors)
    return _product(inputs, *factors)[0]


def _product(inputs, weight, bias, down, up, scaling):
    """x W' + b + s (x A') B' of inputs (..., in), and x A'."""
    rows = inputs.reshape(-1, inputs.shape[-1])
    low = rows @ down.to(rows.dtype).T
    output = linear(rows, weight, bias).addmm_(low, up.to(rows.dtype).T, alpha=scaling)
    return output.view(*inputs.shape[:-1], -1), low


class _Product(torch.autograd.Function):
    """`_product` for a frozen weight (out, in), with its gradient."""

    @staticmethod
    def forward(ctx, inputs, weight, bias, down, up, scaling):
        output, low = _product(inputs, weight, bias, down, up, scaling)
        ctx.save_for_backward(inputs, weight, down, up, low)
        ctx.scaling = scaling
        return output

    @staticmethod
    def backward(ctx, gradient):
        inputs, weight, down, up, low = ctx.saved_tensors
        rows = inputs.reshape(-1, inputs.shape[-1])
        down, up = down.to(rows.dtype), up.to(rows.dtype)
        shape, gradient = gradient.shape, gradient.reshape(-1, gradient.shape[-1])
        low_gradient = (gradient @ up).mul_(ctx.scaling)
        inputs_gradient = None
        if ctx.needs_input_grad[0]:
            inputs_gradient = linear(gradient, weight.T, None).addmm_(low_gradient, down)
            inputs_gradient = inputs_gradient.view(*shape[:-1], -1)
        down_gradient = (low_gradient.T @ rows).float()
        up_gradient = (low.T @ gradient).T.float() * ctx.scaling
        return inputs_gradient, None, None, down_gradient, up_gradient, None
