"""Two separate networks, measured and differentiated without autograd, which would find the same; it takes no step.

Legend: B rows, A actions. A small network is mostly calls: autograd's nodes cost more than what is in them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.policies.encoders import VectorTrunk
from trainer.policies.heads import CategoricalHead
from trainer.policies.layers import activated, put_product, through


class Measures(NamedTuple):
    """What a loss is made of, (B,) each: rows of a minibatch as a policy judges them."""

    log_probs: Tensor
    values: Tensor
    entropy: Tensor


class ClosedForm:
    """An actor with a categorical head and a critic, neither of which has a part of the other."""

    _actions: Tensor  # (B, 1)
    _p: Tensor  # (B, A), and its logarithm
    _log_p: Tensor
    _entropy: Tensor  # (B,)

    def __init__(self, trunk: VectorTrunk, head: CategoricalHead, critic: VectorTrunk, head_value: nn.Linear) -> None:
        self._actor, self._critic = _Network(trunk, head.layer), _Network(critic, head_value)

    @torch.no_grad()
    def measure(self, observations: Tensor, actions: Tensor) -> Measures:
        """Measure actions (B,) at observations (B, *); what `differentiate` needs is kept until the next call."""
        self._log_p = self._actor(observations).log_softmax(-1)
        self._actions = actions.long().unsqueeze(-1)
        self._p = self._log_p.exp()
        self._entropy = (self._p * self._log_p).sum(-1).neg_()
        log_probs = self._log_p.gather(-1, self._actions).squeeze(-1)
        return Measures(log_probs, self._critic(observations).squeeze(-1), self._entropy)

    @torch.no_grad()
    def differentiate(self, slopes: Measures) -> None:
        """Put the gradient into the parameters' `grad`, from that by what was measured.

        By the logits z: `d log p_a / dz_j = [a = j] - p_j` and `dH / dz_j = -p_j (log p_j + H)`.
        """
        slope = slopes.log_probs.unsqueeze(-1)
        falling = self._log_p.add_(self._entropy.unsqueeze(-1)).mul_(slopes.entropy.unsqueeze(-1)).add_(slope)
        by_logits = falling.mul_(self._p).neg_()
        own = by_logits.gather(-1, self._actions).add_(slope)
        self._actor.differentiate(by_logits.scatter_(-1, self._actions, own))
        self._critic.differentiate(slopes.values.unsqueeze(-1))


class _Network:
    """A trunk and a last layer without an activation."""

    def __init__(self, trunk: VectorTrunk, last: nn.Linear) -> None:
        self._trunk, layers = trunk, (*trunk.layers, last)
        self._weights, self._biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        self._given: Sequence[Tensor] = ()

    def __call__(self, observations: Tensor) -> Tensor:
        """What the last layer gives, (B, H)."""
        (*weights, weight), (*biases, bias) = self._weights, self._biases
        inputs = self._trunk.scaled(observations)
        self._given = inputs, *activated(inputs, weights, biases, self._trunk.activation)
        return torch.addmm(bias, self._given[-1], weight.t())

    def differentiate(self, slope: Tensor) -> None:
        """Put the gradient into `grad` of all layers, from that by what the last one gave."""
        for place in reversed(range(len(self._weights))):
            weight, bias, given = self._weights[place], self._biases[place], self._given[place]
            put_product(slope, given, into=weight.grad)
            torch.sum(slope, 0, out=bias.grad)
            if place:
                slope = through(slope @ weight, given, self._trunk.activation)
