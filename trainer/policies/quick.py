"""Acting on a CPU in numpy, whose calls cost a quarter of torch's; it never learns and holds no weight of its own.

For a few rows of observations a small network is all calls and no arithmetic.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from trainer.policies.encoders import VectorTrunk
from trainer.policies.heads import CategoricalHead
from trainer.policies.layers import Activation

Floats = NDArray[np.float32]


class QuickActor:
    """A network of its own with a categorical head, which acts as `ActorCritic.act` says; computed where it lies."""

    def __init__(self, trunk: VectorTrunk, head: CategoricalHead) -> None:
        self._trunk = trunk
        self._parameters = [part for layer in (*trunk.layers, head.layer) for part in (layer.weight, layer.bias)]
        self._lying: list[int] = []
        self._arrays: list[Floats] = []

    def __call__(self, observations: Tensor, generator: Generator, greedy: bool) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities, (N,), for observations (N, *)."""
        log_probs = _log_softmax(self._scores(observations))
        scores = log_probs if greedy else log_probs + _gumbel(log_probs.shape, generator)
        actions = scores.argmax(-1)
        return torch.from_numpy(actions), torch.from_numpy(log_probs[np.arange(len(actions)), actions])

    def _scores(self, observations: Tensor) -> Floats:
        """Logits (N, A)."""
        arrays = self._views()
        given: Floats = self._trunk.scaled(observations).numpy()
        for at in range(0, len(arrays) - 2, 2):
            given = given.dot(arrays[at].T)
            given += arrays[at + 1]
            _activate(given, self._trunk.activation)
        given = given.dot(arrays[-2].T)
        given += arrays[-1]
        return given

    def _views(self) -> list[Floats]:
        """The parameters as arrays; they cost more to make than to use, so they are kept while nothing has moved."""
        lying = [parameter.data_ptr() for parameter in self._parameters]
        if lying != self._lying:
            self._lying, self._arrays = lying, [parameter.detach().numpy() for parameter in self._parameters]
        return self._arrays


def _gumbel(shape: Sequence[int], generator: Generator) -> Floats:
    """`-log(-log u)` of the uniform numbers that `CategoricalHead.sample` would draw; of a u of 0 it is -inf."""
    noise = torch.rand(tuple(shape), generator=generator).numpy()
    with np.errstate(divide="ignore"):
        np.negative(np.log(noise, out=noise), out=noise)
    return np.negative(np.log(noise, out=noise), out=noise)


def _log_softmax(scores: Floats) -> Floats:
    scores -= scores.max(-1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(-1, keepdims=True))
    return scores


def _activate(sums: Floats, activation: Activation) -> None:
    np.tanh(sums, out=sums) if activation == "tanh" else np.maximum(sums, 0, out=sums)
