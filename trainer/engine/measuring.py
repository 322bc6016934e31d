"""What the policy makes of a minibatch, and the way back from a loss to its parameters; it never acts or steps."""

import torch
from torch import Tensor

from trainer.ops.slopes import slopes_of
from trainer.policies.actor_critic import ActorCritic, Policy
from trainer.policies.closed_form import Measures


class Measuring:
    """Measures one minibatch after another.

    A loss sees what was measured as leaves: its gradient by them is found first, and taken on to the parameters by the
    policy's closed form if it has one, else by autograd.
    """

    _measured: Measures
    _leaves: Measures

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._closed = policy.closed_form if isinstance(policy, ActorCritic) else None

    def measure(self, observations: Tensor, state: Tensor, starts: Tensor, actions: Tensor) -> Measures:
        """The leaves, (T * N,) each, of observations (T, N, *) and actions (T, N, ...) from the state before them."""
        if self._closed is not None:
            leaves = self._closed.measure(observations.flatten(0, 1), actions.flatten(0, 1))
        else:
            judged = self._policy(observations, state, starts)
            parameters = judged.parameters.flatten(0, 1)
            log_probs = self._policy.log_prob(parameters, actions.flatten(0, 1))
            self._measured = Measures(log_probs, judged.values.flatten(), self._policy.entropy(parameters))
            leaves = (each.detach() for each in self._measured)
        self._leaves = Measures(*(leaf.requires_grad_() for leaf in leaves))
        return self._leaves

    def differentiate(self, loss: Tensor) -> None:
        """Add the gradient of `loss` to the parameters' `grad`, which is zeros."""
        slopes = slopes_of(loss, self._leaves)
        if slopes is None:
            slopes = torch.autograd.grad(loss, self._leaves, allow_unused=True, materialize_grads=True)
        if self._closed is not None:
            self._closed.differentiate(Measures(*slopes))
            return
        found = [(part, slope) for part, slope in zip(self._measured, slopes, strict=True) if part.requires_grad]
        torch.autograd.backward([part for part, _ in found], [slope for _, slope in found])
