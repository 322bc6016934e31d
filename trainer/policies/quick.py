"""Acting on a CPU in numpy; it never learns and holds no weight of its own."""

import numpy as np
import torch
from torch import Generator, Tensor

from trainer.policies.encoders import VectorTrunk
from trainer.policies.heads import CategoricalHead
from trainer.policies.network import Floats, Network, normalize_log

# Of uniform numbers in float32, all of them multiples of 2^-24, only 0 is below: it has no logarithm.
_LEAST = np.array(2.0**-25, np.float32)


class QuickActor:
    """A network of its own with a categorical head, which acts as `ActorCritic.act` says; computed where it lies."""

    def __init__(self, trunk: VectorTrunk, head: CategoricalHead) -> None:
        self._network = Network(trunk, head.layer)

    def __call__(self, observations: Tensor, generator: Generator, greedy: bool) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities, (N,), for observations (N, *)."""
        log_probs = normalize_log(self._network(observations))
        scores = log_probs if greedy else log_probs + _gumbel(log_probs.shape[::-1], generator).T
        actions = scores.argmax(0)
        return torch.from_numpy(actions), torch.from_numpy(log_probs[actions, np.arange(len(actions))])


def _gumbel(shape: tuple[int, ...], generator: Generator) -> Floats:
    """`-log(-log u)` of the uniform numbers that `CategoricalHead.sample` would draw; never that of 0."""
    noise: Floats = torch.rand(shape, generator=generator).numpy()
    np.maximum(noise, _LEAST, out=noise)
    np.negative(np.log(noise, out=noise), out=noise)
    return np.negative(np.log(noise, out=noise), out=noise)
