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
_ONE = np.array(1, np.float32)


class Network:
    """Computed where its parameters lie, in memory that is used again for as many rows."""

    def __init__(self, trunk: VectorTrunk, last: nn.Linear) -> None:
        self._trunk = trunk
        layers = [*trunk.layers, last]
        self._parameters = [part for layer in layers for part in (layer.weight, layer.bias)]
        self._sizes = [layer.in_features for layer in layers]
        self._values, self._gradients = _Views(), _Views()
        self._given: list[Floats] = []
        self._changes: list[Floats] = []
        self._slopes: list[Floats] = []
        self._ones: Floats = np.empty(0, np.float32)

    def __call__(self, observations: Tensor) -> Floats:
        """What the last layer gives for observations (B, *): (H, B), a row for each output, new each time."""
        values, activation = self._values(self._parameters), self._trunk.activation
        seen = self._trunk.scaled(observations).numpy()
        self._make_room(len(seen))
        self._given[0] = seen
        for place in range(len(self._changes)):
            sums = np.dot(self._given[place], values[2 * place].T, out=self._given[place + 1])
            sums += values[2 * place + 1]
            _activate(sums, activation)
        sums = self._given[-1].dot(values[-2].T)
        sums += values[-1]
        return np.ascontiguousarray(sums.T)

    def differentiate(self, slope: Floats) -> None:
        """Put the gradient into `grad` of all layers, from that by what the last call gave, (H, B)."""
        values = self._values(self._parameters)
        gradients = self._gradients([parameter.grad for parameter in self._parameters])
        np.dot(slope, self._given[-1], out=gradients[-2])
        np.dot(slope, self._ones, out=gradients[-1])
        change = slope.T
        for place in reversed(range(len(self._changes))):
            change = np.dot(change, values[2 * place + 2], out=self._changes[place])
            change *= _slope_of(self._given[place + 1], self._trunk.activation, into=self._slopes[place])
            np.dot(change.T, self._given[place], out=gradients[2 * place])
            np.dot(self._ones, change, out=gradients[2 * place + 1])

    def _make_room(self, rows: int) -> None:
        if len(self._ones) != rows or not self._given:
            self._ones = np.ones(rows, np.float32)
            kinds = ([np.empty((rows, size), np.float32) for size in self._sizes[1:]] for _ in range(3))
            given, self._changes, self._slopes = kinds
            self._given = [self._ones, *given]


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
