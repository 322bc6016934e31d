"""Acting on a CPU in numpy; it never learns and holds no weight of its own."""

import numpy as np
import torch
from torch import Generator, Tensor

from trainer.policies.network import Floats, Network, normalize_log

# Of uniform numbers in float32, all of them multiples of 2^-24, only 0 is below: it has no logarithm.
_LEAST = np.array(2.0**-25, np.float32)


class QuickActor:
    """A network with a categorical head, which acts as `ActorCritic.act` says; a further output is the value."""

    def __init__(self, actions: int, network: Network) -> None:
        self._actions, self._network = actions, network

    def __call__(
        self, observations: Tensor, generator: Generator, greedy: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Actions, their log-probabilities, and values if there are any, (N,) each, for observations (N, *)."""
        given = self._network(observations)
        log_probs = normalize_log(given[: self._actions])
        scores = log_probs if greedy else log_probs + _gumbel(log_probs.shape[::-1], generator).T
        actions = scores.argmax(0)
        values = torch.from_numpy(given[-1]) if given.shape[0] > self._actions else None
        return torch.from_numpy(actions), torch.from_numpy(log_probs[actions, np.arange(len(actions))]), values

    def value(self, observations: Tensor) -> Tensor:
        """Values (N,), if there are any."""
        return torch.from_numpy(self._network(observations)[self._actions])


def _gumbel(shape: tuple[int, ...], generator: Generator) -> Floats:
    """`-log(-log u)` of the uniform numbers that `CategoricalHead.sample` would draw; never that of 0."""
    noise: Floats = torch.rand(shape, generator=generator).numpy()
    np.maximum(noise, _LEAST, out=noise)
    np.negative(np.log(noise, out=noise), out=noise)
    return np.negative(np.log(noise, out=noise), out=noise)
