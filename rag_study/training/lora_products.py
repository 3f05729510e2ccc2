"""LoRA's products beside the base's, in the base's precision, without copies in between.

PEFT brings a layer's input to the adapter's float32, multiplies there, and adds in the base's
precision: the two small products, 4 % of the arithmetic, take 40 % of the time of a step on a
processor. Here they are added to the base's product in place. Weights and their gradients stay in
float32; the products are rounded as under autocast.
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
    from peft.tuners.lora import Linear

    layers = [m for m in model.modules() if type(m) is Linear and _is_plain(m)]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


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
    return _Product.apply(inputs, base.weight, base.bias, down, up, layer.scaling[name])


class _Product(torch.autograd.Function):
    """x W' + b + s (x A') B', for inputs (..., in) and a frozen weight (out, in)."""

    @staticmethod
    def forward(ctx, inputs, weight, bias, down, up, scaling):
        rows = inputs.reshape(-1, inputs.shape[-1])
        down, up = down.to(rows.dtype), (up * scaling).to(rows.dtype)
        low = rows @ down.T
        output = functional.linear(rows, weight, bias).addmm_(low, up.T)
        ctx.save_for_backward(rows, weight, down, up, low)
        ctx.scaling = scaling
        return output.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx, gradient):
        rows, weight, down, up, low = ctx.saved_tensors
        shape, gradient = gradient.shape, gradient.reshape(-1, gradient.shape[-1])
        low_gradient = gradient @ up
        inputs = None
        if ctx.needs_input_grad[0]:
            inputs = (gradient @ weight).addmm_(low_gradient, down).view(*shape[:-1], -1)
        down_gradient = (low_gradient.T @ rows).float()
        up_gradient = (low.T @ gradient).T.float() * ctx.scaling
        return inputs, None, None, down_gradient, up_gradient, None
