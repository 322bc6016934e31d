"""How each step of a rollout is decided, by a policy and its generator; it never steps an environment.

Legend: T steps, N slots, * the shape of an observation.
"""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from trainer.engine.staging import Staging
from trainer.policies.actor_critic import ActorCritic, Decision, Policy
from trainer.policies.quick import QuickActor


class Deciding(Protocol):
    """Decides one step of a rollout after the other; `state` is what the policy remembers now."""

    state: Tensor

    def decide(self, observations: Tensor, starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Actions (N, ...) for observations (N, *), for the environments."""
        ...

    def decided(self) -> Decision:
        """The decisions of all steps, (T, N, ...); no values where any step had none."""
        ...


def deciding(policy: Policy, state: Tensor, steps: int, slots: int, generator: Generator, staging: Staging) -> Deciding:
    """By `act`, or where the policy has a quick actor, by that, which decides the same."""
    quick = policy.quick if isinstance(policy, ActorCritic) else None
    if quick is None:
        return _ByActing(policy, state, generator, staging)
    return _Quickly(quick, state, steps, slots, generator)


class _ByActing:
    def __init__(self, policy: Policy, state: Tensor, generator: Generator, staging: Staging) -> None:
        self.state = state
        self._policy = policy
        self._generator = generator
        self._staging = staging
        self._steps: list[Decision] = []

    def decide(self, observations: Tensor, starts: NDArray[np.bool_]) -> NDArray[Any]:
        decision = self._policy.act(observations, self.state, self._staging.up(starts), self._generator)
        self.state = decision.state
        self._steps.append(decision)
        return self._staging.down(decision.actions)

    def decided(self) -> Decision:
        values = [step.values for step in self._steps if step.values is not None]
        return Decision(
            actions=torch.stack([step.actions for step in self._steps]),
            log_probs=torch.stack([step.log_probs for step in self._steps]),
            state=self.state,
            values=torch.stack(values) if len(values) == len(self._steps) else None,
        )


class _Quickly:
    def __init__(self, quick: QuickActor, state: Tensor, steps: int, slots: int, generator: Generator) -> None:
        self.state = state
        self._acting = quick.acting(steps, slots, generator)

    def decide(self, observations: Tensor, starts: NDArray[np.bool_]) -> NDArray[Any]:
        return self._acting.act(observations)

    def decided(self) -> Decision:
        actions, log_probs, values = self._acting.acted()
        return Decision(actions, log_probs, self.state, values)
