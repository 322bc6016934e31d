"""A trunk and a last layer in numpy on a CPU, forwards and back; it holds no weight and takes no step.

A small network is mostly calls, and numpy's cost a quarter of torch's. Legend: B rows, H outputs of the last layer.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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

    _by: list[Floats]  # the values by which it was last computed

    def __init__(self, trunk: VectorTrunk, last: nn.Linear) -> None:
        self.outputs = last.out_features
        self._trunk = trunk
        layers = [*trunk.layers, last]
        self._parameters = [part for layer in layers for part in (layer.weight, layer.bias)]
        self._sizes = [layer.in_features for layer in layers]
        self._values, self._gradients = _Views(), _Views()
        self._rows = 0
        self._parts: list[_Part] = []
        self._changes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]
        self._slopes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]

    def __call__(self, observations: Tensor) -> Floats:
        """What the last layer gives for observations (B, *): (H, B), a row for each output, new each time."""
        seen = self.scaled(observations)
        found = _room(len(seen), self.outputs)
        self.into(found, seen, self.values())
        return np.ascontiguousarray(found.T)

    def scaled(self, observations: Tensor) -> Floats:
        """What the first layer is given, (B, D)."""
        return self._trunk.scaled(observations).numpy()

    def values(self) -> list[Floats]:
        """The weight and the bias of each layer, where they lie now."""
        return self._values(self._parameters)

    def into(self, found: Floats, seen: Floats, values: list[Floats]) -> None:
        """Put what the last layer gives for scaled observations (B, D) into `found` (B, H)."""
        if len(seen) != self._rows:
            self._rows = len(seen)
            self._parts = list(self._divided())
        for part in self._parts:
            part.given[0] = seen[part.rows]
            self._forward(values, part.given, found[part.rows])
        self._by = values

    def _divided(self) -> Iterator["_Part"]:
        hidden = [_room(self._rows, size) for size in self._sizes[1:]]
        for start in range(0, self._rows, ROWS_AT_ONCE):
            rows = slice(start, min(start + ROWS_AT_ONCE, self._rows))
            count = rows.stop - start
            changes, slopes = ([room[:count] for room in rooms] for rooms in (self._changes, self._slopes))
            yield _Part(rows, [hidden[0], *(layer[rows] for layer in hidden)], changes, slopes, _ONES[:count])

    def _forward(self, values: list[Floats], given: list[Floats], found: Floats) -> None:
        for place in range(len(given) - 1):
            sums = given[place].dot(values[2 * place].T, out=given[place + 1])
            sums += values[2 * place + 1]
            _activate(sums, self._trunk.activation)
        given[-1].dot(values[-2].T, out=found)
        found += values[-1]

    def differentiate(self, slope: Floats) -> None:
        """Put the gradient into `grad` of all layers, from that by what the last call gave, (H, B)."""
        values = self._by
        gradients = self._gradients([parameter.grad for parameter in self._parameters])
        first, *others = self._parts
        self._backward(values, gradients, slope[:, first.rows], first)
        for part in others:
            found = [np.empty_like(gradient) for gradient in gradients]
            self._backward(values, found, slope[:, part.rows], part)
            for gradient, more in zip(gradients, found, strict=True):
                np.add(gradient, more, out=gradient)

    def _backward(self, values: list[Floats], gradients: list[Floats], slope: Floats, part: "_Part") -> None:
        slope.dot(part.given[-1], out=gradients[-2])
        slope.dot(part.ones, out=gradients[-1])
        change = slope.T
        for place in reversed(range(len(part.changes))):
            change = change.dot(values[2 * place + 2], out=part.changes[place])
            change *= _slope_of(part.given[place + 1], self._trunk.activation, into=part.slopes[place])
            change.T.dot(part.given[place], out=gradients[2 * place])
            part.ones.dot(change, out=gradients[2 * place + 1])


class _Part(NamedTuple):
    """Some of the rows: what each layer is given, and room for the way back."""

    rows: slice
    given: list[Floats]
    changes: list[Floats]
    slopes: list[Floats]
    ones: Floats


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


def chosen(which: NDArray[np.integer], rows: int) -> NDArray[np.integer]:
    """Where among the numbers of (A, B), one after another, those stand that are chosen for B rows, (B,)."""
    return which * rows + np.arange(rows)


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
