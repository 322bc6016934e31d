"""Acting on a CPU in numpy; it never learns and holds no weight of its own.

Legend: T steps, N slots, A actions.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from trainer.policies.network import Floats, Network, chosen, normalize_log

# Of uniform numbers in float32, all of them multiples of 2^-24, only 0 is below: it has no logarithm.
_LEAST = np.array(2.0**-25, np.float32)
# A value is all that is kept of its row.
_VALUED_AT_ONCE = 256


class QuickActor:
    """A network with a categorical head acts as `ActorCritic.act` says; a critic, or a further output, is the value."""

    def __init__(self, actions: int, network: Network, critic: Network | None = None) -> None:
        self._actions, self._network, self._critic = actions, network, critic or network

    def __call__(
        self, observations: Tensor, generator: Generator, greedy: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Actions, their log-probabilities, and values if there are any, (N,) each, for observations (N, *)."""
        given = self._network(observations)
        log_probs = normalize_log(given[: self._actions])
        scores = log_probs if greedy else log_probs + _gumbel((1, *log_probs.shape[::-1]), generator)[0].T
        actions = scores.argmax(0)
        values = torch.from_numpy(given[-1]) if len(given) > self._actions else None
        return torch.from_numpy(actions), torch.from_numpy(log_probs.take(chosen(actions, len(actions)))), values

    def acting(self, steps: int, slots: int, generator: Generator) -> "QuickActing":
        """Acts so often, and as if it were called each time."""
        return QuickActing(self._network, _gumbel((steps, slots, self._actions), generator))

    def value(self, observations: Tensor) -> Tensor:
        """Values (N,)."""
        parts = [self._critic(part)[-1] for part in observations.split(_VALUED_AT_ONCE)]
        return torch.from_numpy(np.concatenate(parts))


class QuickActing:
    """Acts T times by weights that stay.

    All noise is drawn before. The likeliest with its noise is so before logits are normalized, too, which is left
    for the end.
    """

    def __init__(self, network: Network, noise: Floats) -> None:
        steps, slots, self._choices = noise.shape
        self._network, self._layers = network, network.layers()
        self._given = np.empty((steps, slots, network.outputs), np.float32)
        self._actions = np.empty((steps, slots), np.int64)
        self._steps = zip(noise, self._given, self._actions, strict=True)

    def act(self, observations: Tensor) -> NDArray[np.int64]:
        """Actions (N,) for observations (N, *), in the memory of all steps."""
        scores, given, actions = next(self._steps)
        self._network.into(given, self._network.see(observations), self._layers)
        scores += given[:, : self._choices]
        return scores.argmax(1, actions)

    def acted(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Actions, their log-probabilities, and values if there are any, (T, N) each, of all steps."""
        shape, outputs = self._actions.shape, self._given.shape[-1]
        given = np.ascontiguousarray(self._given.reshape(-1, outputs).T)
        taken = normalize_log(given[: self._choices]).take(chosen(self._actions.reshape(-1), self._actions.size))
        values = torch.from_numpy(given[-1].reshape(shape)) if outputs > self._choices else None
        return torch.from_numpy(self._actions), torch.from_numpy(taken.reshape(shape)), values


def _gumbel(shape: tuple[int, int, int], generator: Generator) -> Floats:
    """`-log(-log u)` (T, N, A) of the uniform numbers that `CategoricalHead.sample` would draw; never that of 0."""
    drawn = torch.empty(shape)
    for step in drawn.unbind():
        step.uniform_(generator=generator)
    noise: Floats = drawn.numpy()
    np.maximum(noise, _LEAST, out=noise)
    np.negative(np.log(noise, out=noise), out=noise)
    return np.negative(np.log(noise, out=noise), out=noise)
