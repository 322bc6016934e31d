"""Networks measured and differentiated without autograd, which would find the same; it takes no step.

Legend: B rows, A actions. A small network is mostly calls: autograd's nodes cost more than what is in them.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.policies.network import Floats, Network, chosen, normalize_log


class Measures(NamedTuple):
    """What a loss is made of, (B,) each: rows of a minibatch as a policy judges them."""

    log_probs: Tensor
    values: Tensor
    entropy: Tensor


class ClosedForm:
    """An actor with a categorical head and a critic on a CPU: two networks, or one whose last output is the value."""

    _taken: NDArray[np.integer]  # (B,): where the action of each row stands among all A * B
    _p: Floats  # (A, B), and its logarithm
    _log_p: Floats
    _entropy: Floats  # (B,)

    def __init__(self, actions: int, *networks: Network) -> None:
        self._actions, self._networks = actions, networks

    def measure(self, observations: Tensor, actions: Tensor) -> Measures:
        """Measure actions (B,) at observations (B, *); what `differentiate` needs is kept until the next call."""
        given = [network(observations) for network in self._networks]
        log_p = self._log_p = normalize_log(given[0][: self._actions])
        self._p = np.exp(log_p)
        self._entropy = -np.add.reduce(self._p * log_p)
        self._taken = chosen(actions.numpy(), len(actions))
        measured = log_p.reshape(-1)[self._taken], given[-1][-1], self._entropy
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
        by_given = [by_logits, by_values[None]]
        if len(self._networks) == 1:
            by_given = [np.concatenate(by_given)]
        for network, slope in zip(self._networks, by_given, strict=True):
            network.differentiate(slope)
