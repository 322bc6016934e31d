"""A trunk and its last layers in numpy on a CPU, forwards and back; it holds no weight and takes no step.

A small network is mostly calls, and numpy's cost a quarter of torch's. Legend: B rows, D inputs of the first
linear layer, H outputs of all last layers.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
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


class Layers(NamedTuple):
    """The weights and the biases of all layers, the last ones joined, where they lie now."""

    weights: list[Floats]
    biases: list[Floats]


class _Part(NamedTuple):
    """Some of the rows: what each layer is given, and room for the gradient by its sums."""

    rows: slice
    given: list[Floats]
    changes: list[Floats]
    ones: Floats


class Network(ABC):
    """Computed where its parameters lie, some rows at once, in memory that is used again."""

    _by: Layers  # by which it was last computed

    def __init__(self, hidden: Sequence[nn.Linear], lasts: Sequence[nn.Linear], activation: Activation) -> None:
        self._activation: Activation = activation
        layers = [*hidden, *lasts]
        self._parameters = [part for layer in layers for part in (layer.weight, layer.bias)]
        self._sizes = [layer.in_features for layer in layers[: len(hidden) + 1]]
        ends = np.cumsum([0, *(last.out_features for last in lasts)]).tolist()
        self.outputs: int = ends[-1]
        self._last = len(hidden)
        self._lasts = [(self._last + place, slice(*each)) for place, each in enumerate(pairwise(ends))]
        self._values, self._gradients = _Views(), _Views()
        self._rows = 0
        self._parts: list[_Part] = []
        self._changes = [_room(ROWS_AT_ONCE, size) for size in self._sizes[1:]]

    def __call__(self, observations: Tensor) -> Floats:
        """What the last layers give for observations (B, *): (H, B), a row for each output, new each time."""
        seen = self.see(observations)
        found = _room(len(seen), self.outputs)
        self.into(found, seen, self.layers())
        return np.ascontiguousarray(found.T)

    @abstractmethod
    def see(self, observations: Tensor) -> Floats:
        """What the first linear layer is given, (B, D)."""

    @abstractmethod
    def _pass_on(self, change: Floats, weight: Floats, rows: slice) -> None:
        """Take the gradient by the sums of the first linear layer, whose weight it is, in these rows."""

    def layers(self) -> Layers:
        """The layers as they are now."""
        values = self._values(self._parameters)
        layers = Layers(values[::2], values[1::2])
        if len(self._lasts) > 1:
            for each in layers:
                each[self._last :] = [np.concatenate(each[self._last :])]
        return layers

    def into(self, found: Floats, seen: Floats, layers: Layers) -> None:
        """Put what the last layers give for what the first is given, (B, D), into `found` (B, H)."""
        if len(seen) != self._rows:
            self._rows = len(seen)
            self._parts = list(self._divided())
        for part in self._parts:
            part.given[0] = seen[part.rows]
            self._forward(layers, part.given, found[part.rows])
        self._by = layers

    def _divided(self) -> Iterator[_Part]:
        first, *others = self._sizes
        given = [_room(0, first), *(_room(self._rows, size) for size in others)]
        for start in range(0, self._rows, ROWS_AT_ONCE):
            rows = slice(start, min(start + ROWS_AT_ONCE, self._rows))
            count = rows.stop - start
            changes = [room[:count] for room in self._changes]
            yield _Part(rows, [room[rows] for room in given], changes, _ONES[:count])

    def _forward(self, layers: Layers, given: list[Floats], found: Floats) -> None:
        for place in range(self._last):
            sums = given[place].dot(layers.weights[place].T, out=given[place + 1])
            sums += layers.biases[place]
            activate(sums, self._activation)
        given[-1].dot(layers.weights[-1].T, out=found)
        found += layers.biases[-1]

    def differentiate(self, slope: Floats) -> None:
        """Put the gradient into `grad` of all parameters, from that by what the last call gave, (H, B); once a call."""
        gradients = self._gradients([parameter.grad for parameter in self._parameters])
        first, *others = self._parts
        self._backward(gradients, slope[:, first.rows], first)
        for part in others:
            found = [np.empty_like(gradient) for gradient in gradients]
            self._backward(found, slope[:, part.rows], part)
            for gradient, more in zip(gradients, found, strict=True):
                np.add(gradient, more, out=gradient)

    def _backward(self, gradients: list[Floats], slope: Floats, part: _Part) -> None:
        weights = self._by.weights
        for place, outputs in self._lasts:
            slope[outputs].dot(part.given[-1], out=gradients[2 * place])
            slope[outputs].dot(part.ones, out=gradients[2 * place + 1])
        change = slope.T
        for place in reversed(range(self._last)):
            change = change.dot(weights[place + 1], out=part.changes[place])
            change *= slope_of(part.given[place + 1], self._activation)
            change.T.dot(part.given[place], out=gradients[2 * place])
            part.ones.dot(change, out=gradients[2 * place + 1])
        self._pass_on(change, weights[0], part.rows)


class VectorNetwork(Network):
    """Of vectors, which learn nothing."""

    def __init__(self, trunk: VectorTrunk, last: nn.Linear) -> None:
        super().__init__(trunk.layers, [last], trunk.activation)
        self._trunk = trunk

    def see(self, observations: Tensor) -> Floats:
        """Scaled."""
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


def chosen(which: NDArray[np.integer], rows: int) -> NDArray[np.integer]:
    """Where among the numbers of (A, B), one after another, those stand that are chosen for B rows, (B,)."""
    return which * rows + np.arange(rows)


def normalize_log(scores: Floats) -> Floats:
    """Logits (A, B), in place, as the logarithms of probabilities."""
    scores -= np.maximum.reduce(scores)
    scores -= np.log(np.add.reduce(np.exp(scores)))
    return scores


def activate(sums: Floats, activation: Activation) -> None:
    """In place."""
    np.tanh(sums, out=sums) if activation == "tanh" else np.maximum(sums, 0, out=sums)


def slope_of(activations: Floats, activation: Activation) -> Floats:
    """In place: `tanh' = 1 - tanh^2`; that of relu is 0 where it gave 0, else 1."""
    if activation == "relu":
        return np.greater(activations, 0, out=activations)
    np.multiply(activations, activations, out=activations)
    return np.subtract(_ONE, activations, out=activations)
