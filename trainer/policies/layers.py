"""Linear layers, each followed by an activation, as one node of autograd; it holds no weight.

Their gradient is known, so a small network is one node, not one for each product, sum and activation.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Activation = Literal["tanh", "relu"]
# Of 8,192 rows of 4 inputs the product for a weight's gradient takes 840 µs, its transpose 119; of 64 they are even.
NARROW = 32


def perceptron(inputs: Tensor, layers: Sequence[nn.Linear], activation: Activation) -> Tensor:
    """The activations (B, H) of the last layer for inputs (B, D)."""
    weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
    if not torch.is_grad_enabled():
        return activated(inputs, weights, biases, activation)[-1]
    return _Perceptron.apply(inputs, activation, *weights, *biases)


class _Perceptron(Function):
    """`h_i = f(h_{i-1} W_i' + b_i)`; with `d_i` the gradient before f: `dW_i = d_i' h_{i-1}`, `db_i = sum d_i`."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, activation: Activation, *parameters: Tensor) -> Tensor:
        """All layers in turn; what each one gave is kept."""
        count = len(parameters) // 2
        weights = parameters[:count]
        given = activated(inputs, weights, parameters[count:], activation)
        ctx.activation = activation
        ctx.save_for_backward(inputs, *given, *weights)
        return given[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """From the last layer to the first."""
        (gradient,), saved = grad_outputs, ctx.saved_tensors
        count = len(saved) // 2
        given, weights = saved[: count + 1], saved[count + 1 :]
        of_weights, of_biases = [gradient] * count, [gradient] * count
        for layer in reversed(range(count)):
            change = through(gradient, given[layer + 1], ctx.activation)
            of_weights[layer], of_biases[layer] = torch.empty_like(weights[layer]), change.sum(0)
            put_product(change, given[layer], into=of_weights[layer])
            if layer or ctx.needs_input_grad[0]:
                gradient = change @ weights[layer]
        return (gradient if ctx.needs_input_grad[0] else None, None, *of_weights, *of_biases)


def activated(
    inputs: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], activation: Activation
) -> list[Tensor]:
    """What each layer gives after its activation, without a graph."""
    given: list[Tensor] = []
    for weight, bias in zip(weights, biases, strict=True):
        inputs = _activate_(torch.addmm(bias, inputs, weight.t()), activation)
        given.append(inputs)
    return given


def put_product(change: Tensor, given: Tensor, into: Tensor | None) -> None:
    """Put `change' given` (H, D) into a weight's gradient, of changes (B, H) and inputs (B, D)."""
    assert into is not None
    if given.shape[1] < NARROW:
        into.copy_((given.t() @ change).t())
    else:
        torch.mm(change.t(), given, out=into)


def _activate_(sums: Tensor, activation: Activation) -> Tensor:
    if activation == "relu":
        return sums.clamp_min_(0)
    if sums.device.type != "cpu":
        return sums.tanh_()
    # Of 256 x 64 numbers torch took 88 µs on one thread of an AMD EPYC, numpy 7: more than the layer's product, 45.
    array = sums.numpy()
    np.tanh(array, out=array)
    return sums


def through(gradient: Tensor, activations: Tensor, activation: Activation) -> Tensor:
    """The gradient before the activation: `tanh' = 1 - tanh^2`, that of relu is 0 where it gave 0, else 1."""
    if activation == "relu":
        return gradient.masked_fill(activations <= 0, 0.0)
    return torch.ops.aten.tanh_backward(gradient, activations)
