"""LoRA's products beside the base's, in the base's precision, without copies in between.

PEFT brings a layer's input to the adapter's float32, multiplies there, and adds in the base's
precision: the two small products, 4 % of the arithmetic, take 40 % of the time of a step on a
processor. Here they are added to the base's product in place, rounded as under autocast: in
training, where weights and their gradients stay in float32, and afterwards alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.nn import functional


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
    output = functional.linear(rows, weight, bias).addmm_(low, up.to(rows.dtype).T, alpha=scaling)
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
            inputs_gradient = (gradient @ weight).addmm_(low_gradient, down).view(*shape[:-1], -1)
        down_gradient = (low_gradient.T @ rows).float()
        up_gradient = (low.T @ gradient).T.float() * ctx.scaling
        return inputs_gradient, None, None, down_gradient, up_gradient, None
