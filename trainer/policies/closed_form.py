"""Two separate networks, measured and differentiated without autograd, which would find the same; it takes no step.

Legend: B rows, A actions. A small network is mostly calls: autograd's nodes cost more than what is in them.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.policies.encoders import VectorTrunk
from trainer.policies.heads import CategoricalHead
from trainer.policies.network import Floats, Network, chosen, normalize_log


class Measures(NamedTuple):
    """What a loss is made of, (B,) each: rows of a minibatch as a policy judges them."""

    log_probs: Tensor
    values: Tensor
    entropy: Tensor


class ClosedForm:
    """An actor with a categorical head and a critic, neither of which has a part of the other, on a CPU."""

    _taken: NDArray[np.integer]  # (B,): where the action of each row stands among all A * B
    _p: Floats  # (A, B), and its logarithm
    _log_p: Floats
    _entropy: Floats  # (B,)

    def __init__(self, trunk: VectorTrunk, head: CategoricalHead, critic: VectorTrunk, head_value: nn.Linear) -> None:
        self._actor, self._critic = Network(trunk, head.layer), Network(critic, head_value)

    def measure(self, observations: Tensor, actions: Tensor) -> Measures:
        """Measure actions (B,) at observations (B, *); what `differentiate` needs is kept until the next call."""
        log_p = self._log_p = normalize_log(self._actor(observations))
        self._p = np.exp(log_p)
        self._entropy = -np.add.reduce(self._p * log_p)
        self._taken = chosen(actions.numpy(), len(actions))
        measured = log_p.reshape(-1)[self._taken], self._critic(observations)[0], self._entropy
        return Measures(*map(torch.from_numpy, measured))

    def differentiate(self, slopes: Measures) -> None:
        """Put the gradient into the parameters' `grad`, from that by what was measured.

        By the logits z: `d log p_a / dz_j = [a = j] - p_j` and `dH / dz_j = -p_j (log p_j + H)`.
        """
        by_log_probs, by_values, by_entropy = (slope.numpy() for slope in slopes)
        by_logits = np.add(self._log_p, self._entropy, out=self._log_p)
        by_logits *= by_entropy
        by_logits += by_log_probs
        by_logits *= self._p
        np.negative(by_logits, out=by_logits)
        by_logits.reshape(-1)[self._taken] += by_log_probs
        self._actor.differentiate(by_logits)
        self._critic.differentiate(by_values[None])
