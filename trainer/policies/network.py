"""A trunk and a last layer in numpy on a CPU, forwards and back; it holds no weight and takes no step.

A small network is mostly calls, and numpy's cost a quarter of torch's. Legend: B rows, H outputs of the last layer.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.policies.encoders import VectorTrunk
from trainer.policies.layers import Activation

Floats = NDArray[np.float32]
# What a layer gives for more rows leaves the cache before it is used again.
ROWS_AT_ONCE = 1024
_ONE, _ONES = np.array(1, np.float32), np.ones(ROWS_AT_ONCE, np.float32)


class Network:
    """Computed where its parameters lie, some rows at once, in memory that is used again."""

    def __init__(self, trunk: VectorTrunk, last: nn.Linear) -> None:
        self._trunk = trunk
        layers = [*trunk.layers, last]
        self._parameters = [part for layer in layers for part in (layer.weight, layer.bias)]
        self._sizes = [layer.in_features for layer in layers]
        self._values, self._gradients = _Views(), _Views()
        self._rows = 0
        self._parts: list[slice] = []
        self._given: list[Floats] = []
        self._changes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]
        self._slopes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]

    def __call__(self, observations: Tensor) -> Floats:
        """What the last layer gives for observations (B, *): (H, B), a row for each output, new each time."""
        seen = self._trunk.scaled(observations).numpy()
        if len(seen) != self._rows:
            self._rows = len(seen)
            self._parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, self._rows, ROWS_AT_ONCE)]
            self._given = [seen, *(_room(self._rows, size) for size in self._sizes[1:])]
        self._given[0] = seen
        values = self._values(self._parameters)
        found = [self._forward(values, rows) for rows in self._parts]
        return found[0] if len(found) == 1 else np.concatenate(found, 1)

    def _forward(self, values: list[Floats], rows: slice) -> Floats:
        given = self._given[0][rows]
        for place in range(len(self._changes)):
            given = np.dot(given, values[2 * place].T, out=self._given[place + 1][rows])
            given += values[2 * place + 1]
            _activate(given, self._trunk.activation)
        sums = given.dot(values[-2].T)
        sums += values[-1]
        return np.ascontiguousarray(sums.T)

    def differentiate(self, slope: Floats) -> None:
        """Add the gradient to `grad` of all layers, from that by what the last call gave, (H, B)."""
        values = self._values(self._parameters)
        gradients = self._gradients([parameter.grad for parameter in self._parameters])
        for rows in self._parts:
            self._backward(values, gradients, slope[:, rows], rows)

    def _backward(self, values: list[Floats], gradients: list[Floats], slope: Floats, rows: slice) -> None:
        count = slope.shape[1]
        ones = _ONES[:count]
        gradients[-2] += slope.dot(self._given[-1][rows])
        gradients[-1] += slope.dot(ones)
        change = slope.T
        for place in reversed(range(len(self._changes))):
            change = np.dot(change, values[2 * place + 2], out=self._changes[place][:count])
            change *= _slope_of(self._given[place + 1][rows], self._trunk.activation, into=self._slopes[place][:count])
            gradients[2 * place] += change.T.dot(self._given[place][rows])
            gradients[2 * place + 1] += ones.dot(change)


def _room(rows: int, size: int) -> Floats:
    return np.empty((rows, size), np.float32)


class _Views:
    """Tensors as arrays, which cost more to make than to use: kept while no tensor has moved."""

    def __init__(self) -> None:
        self._lying: list[int] = []
        self._arrays: list[Floats] = []

    def __call__(self, tensors: Sequence[Tensor | None]) -> list[Floats]:
        """Their arrays."""
        known = [tensor for tensor in tensors if tensor is not None]
        lying = [tensor.data_ptr() for tensor in known]
        if lying != self._lying:
            self._lying, self._arrays = lying, [tensor.detach().numpy() for tensor in known]
        return self._arrays


def normalize_log(scores: Floats) -> Floats:
    """Logits (A, B), in place, as the logarithms of probabilities."""
    scores -= np.maximum.reduce(scores)
    scores -= np.log(np.add.reduce(np.exp(scores)))
    return scores


def _activate(sums: Floats, activation: Activation) -> None:
    np.tanh(sums, out=sums) if activation == "tanh" else np.maximum(sums, 0, out=sums)


def _slope_of(activations: Floats, activation: Activation, into: Floats) -> Floats:
    """`tanh' = 1 - tanh^2`; that of relu is 0 where it gave 0, else 1."""
    if activation == "relu":
        return np.greater(activations, 0, out=into)
    np.multiply(activations, activations, out=into)
    return np.subtract(_ONE, into, out=into)
