"""Acting on a CPU in numpy; it never learns and holds no weight of its own.

Legend: T steps, N slots, A actions.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from trainer.policies.encoders import VectorTrunk
from trainer.policies.heads import CategoricalHead
from trainer.policies.network import Floats, Network, chosen, normalize_log

# Of uniform numbers in float32, all of them multiples of 2^-24, only 0 is below: it has no logarithm.
_LEAST = np.array(2.0**-25, np.float32)


class QuickActor:
    """A network of its own with a categorical head, which acts as `ActorCritic.act` says; computed where it lies."""

    def __init__(self, trunk: VectorTrunk, head: CategoricalHead) -> None:
        self._network = Network(trunk, head.layer)

    def __call__(self, observations: Tensor, generator: Generator, greedy: bool) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities, (N,), for observations (N, *)."""
        log_probs = normalize_log(self._network(observations))
        scores = log_probs if greedy else log_probs + _gumbel((1, *log_probs.shape[::-1]), generator)[0].T
        actions = scores.argmax(0)
        return torch.from_numpy(actions), torch.from_numpy(log_probs.take(chosen(actions, len(actions))))

    def acting(self, steps: int, slots: int, generator: Generator) -> "QuickActing":
        """Acts so often, and as if it were called each time."""
        return QuickActing(self._network, _gumbel((steps, slots, self._network.outputs), generator))


class QuickActing:
    """Acts T times by weights that stay.

    All noise is drawn before. The likeliest with its noise is so before logits are normalized, too, which is left
    for the end.
    """

    def __init__(self, network: Network, noise: Floats) -> None:
        self._network, self._values = network, network.values()
        self._logits = np.empty_like(noise)
        self._actions = np.empty(noise.shape[:2], np.int64)
        self._steps = zip(noise, self._logits, self._actions, strict=True)

    def act(self, observations: Tensor) -> NDArray[np.int64]:
        """Actions (N,) for observations (N, *), in the memory of all steps."""
        scores, logits, actions = next(self._steps)
        self._network.into(logits, self._network.scaled(observations), self._values)
        scores += logits
        return scores.argmax(1, actions)

    def acted(self) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities, (T, N), of all steps."""
        choices = self._logits.shape[-1]
        log_probs = normalize_log(np.ascontiguousarray(self._logits.reshape(-1, choices).T))
        taken = log_probs.take(chosen(self._actions.reshape(-1), self._actions.size))
        return torch.from_numpy(self._actions), torch.from_numpy(taken.reshape(self._actions.shape))


def _gumbel(shape: tuple[int, int, int], generator: Generator) -> Floats:
    """`-log(-log u)` (T, N, A) of the uniform numbers that `CategoricalHead.sample` would draw; never that of 0."""
    drawn = torch.empty(shape)
    for step in drawn.unbind():
        step.uniform_(generator=generator)
    noise: Floats = drawn.numpy()
    np.maximum(noise, _LEAST, out=noise)
    np.negative(np.log(noise, out=noise), out=noise)
    return np.negative(np.log(noise, out=noise), out=noise)
