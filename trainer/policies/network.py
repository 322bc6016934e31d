"""A trunk and its last layers in numpy on a CPU, forwards and back; it holds no weight and takes no step.

A small network is mostly calls, and numpy's cost a quarter of torch's. Legend: B rows, D inputs of the first
linear layer, H outputs of all last layers.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.policies.encoders import VectorTrunk
from trainer.policies.layers import Activation

Floats = NDArray[np.float32]
# What a layer gives for more rows leaves the cache before it is used again.
ROWS_AT_ONCE = 1024
_ONE, _ONES = np.array(1, np.float32), np.ones(ROWS_AT_ONCE, np.float32)


class Network(ABC):
    """Computed where its parameters lie, some rows at once, in memory that is used again."""

    def __init__(self, hidden: Sequence[nn.Linear], lasts: Sequence[nn.Linear], activation: Activation) -> None:
        self._activation: Activation = activation
        layers = [*hidden, *lasts]
        self._parameters = [part for layer in layers for part in (layer.weight, layer.bias)]
        self._sizes = [layer.in_features for layer in layers[: len(hidden) + 1]]
        ends = np.cumsum([0, *(last.out_features for last in lasts)]).tolist()
        self._last, self._several = len(hidden), len(lasts) > 1
        self._outputs = [(self._last + place, slice(*each)) for place, each in enumerate(pairwise(ends))]
        self._weights: list[Floats] = []  # of all layers, the last ones joined, as the last call found them
        self._values, self._gradients = _Views(), _Views()
        self._rows = 0
        self._parts: list[slice] = []
        self._given: list[Floats] = []
        self._changes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]
        self._slopes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]

    def __call__(self, observations: Tensor) -> Floats:
        """What the last layers give for observations (B, *): (H, B), a row for each output, new each time."""
        seen = self._see(observations)
        if len(seen) != self._rows:
            self._rows = len(seen)
            self._parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, self._rows, ROWS_AT_ONCE)]
            self._given = [seen, *(_room(self._rows, size) for size in self._sizes[1:])]
        self._given[0] = seen
        values = self._values(self._parameters)
        self._weights, biases = values[::2], values[1::2]
        if self._several:
            for each in (self._weights, biases):
                each[self._last :] = [np.concatenate(each[self._last :])]
        found = [self._forward(biases, rows) for rows in self._parts]
        return found[0] if len(found) == 1 else np.concatenate(found, 1)

    @abstractmethod
    def _see(self, observations: Tensor) -> Floats:
        """What the first linear layer is given, (B, D)."""

    @abstractmethod
    def _pass_on(self, change: Floats, weight: Floats, rows: slice) -> None:
        """Take the gradient by the sums of the first linear layer, whose weight it is, in these rows."""

    def _forward(self, biases: list[Floats], rows: slice) -> Floats:
        given = self._given[0][rows]
        for place in range(len(self._changes)):
            given = np.dot(given, self._weights[place].T, out=self._given[place + 1][rows])
            given += biases[place]
            activate(given, self._activation)
        sums = given.dot(self._weights[-1].T)
        sums += biases[-1]
        return np.ascontiguousarray(sums.T)

    def differentiate(self, slope: Floats) -> None:
        """Add the gradient to `grad` of all parameters, from that by what the last call gave, (H, B)."""
        gradients = self._gradients([parameter.grad for parameter in self._parameters])
        for rows in self._parts:
            self._backward(gradients, slope[:, rows], rows)

    def _backward(self, gradients: list[Floats], slope: Floats, rows: slice) -> None:
        count = slope.shape[1]
        ones = _ONES[:count]
        by_weight, by_bias = slope.dot(self._given[-1][rows]), slope.dot(ones)
        for place, outputs in self._outputs:
            gradients[2 * place] += by_weight[outputs]
            gradients[2 * place + 1] += by_bias[outputs]
        change = slope.T
        for place in reversed(range(len(self._changes))):
            change = np.dot(change, self._weights[place + 1], out=self._changes[place][:count])
            change *= slope_of(self._given[place + 1][rows], self._activation, into=self._slopes[place][:count])
            gradients[2 * place] += change.T.dot(self._given[place][rows])
            gradients[2 * place + 1] += ones.dot(change)
        self._pass_on(change, self._weights[0], rows)


class VectorNetwork(Network):
    """Of vectors, which learn nothing."""

    def __init__(self, trunk: VectorTrunk, last: nn.Linear) -> None:
        super().__init__(trunk.layers, [last], trunk.activation)
        self._trunk = trunk

    def _see(self, observations: Tensor) -> Floats:
        return self._trunk.scaled(observations).numpy()

    def _pass_on(self, change: Floats, weight: Floats, rows: slice) -> None:
        pass


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


def activate(sums: Floats, activation: Activation) -> None:
    """In place."""
    np.tanh(sums, out=sums) if activation == "tanh" else np.maximum(sums, 0, out=sums)


def slope_of(activations: Floats, activation: Activation, into: Floats) -> Floats:
    """`tanh' = 1 - tanh^2`; that of relu is 0 where it gave 0, else 1."""
    if activation == "relu":
        return np.greater(activations, 0, out=into)
    np.multiply(activations, activations, out=into)
    return np.subtract(_ONE, into, out=into)
