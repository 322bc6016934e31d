"""Learning from one rollout: epochs of minibatches, each a step of the optimizer; it never acts.

Legend: T steps, N slots, B agent-steps of a minibatch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.contract import PPOConfig, TrainerConfig
from trainer.engine.optimizer import Optimizer
from trainer.engine.rollout import Rollout
from trainer.ops.op import LossOp
from trainer.ops.slots import Loss, Sample
from trainer.policies.actor_critic import Policy


@dataclass(frozen=True)
class Targets:
    """What the update aims at: advantages and returns (T, N), and the values (T, N) that they were made from."""

    advantages: Tensor
    returns: Tensor
    values: Tensor


@dataclass(frozen=True)
class Minibatch:
    """Part of a rollout, (1, B) of shuffled steps or, for a recurrent core, (T, B / T) of whole slots."""

    observations: Tensor
    starts: Tensor
    state: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor


class Learner:
    """The PPO update of one policy by one optimizer."""

    def __init__(
        self,
        policy: Policy,
        optimizer: Optimizer,
        compute_loss: LossOp,
        config: TrainerConfig,
        generator: torch.Generator,
    ) -> None:
        self.policy = policy
        self.optimizer = optimizer
        self.compute_loss = compute_loss
        self.config = config
        self.generator = generator

    def update(self, rollout: Rollout, targets: Targets, clip_coef: float) -> dict[str, float]:
        """Go over the rollout `update_epochs` times; the mean of each loss, by its W&B name."""
        seen: list[Tensor] = []
        for _ in range(self.config.ppo.update_epochs):
            kls: list[Tensor] = []
            for minibatch in self._minibatches(rollout, targets):
                loss = self._loss(minibatch, clip_coef)
                seen.append(_numbers(loss, self.optimizer.step(loss.total)))
                kls.append(loss.approx_kl)
            if _too_far(kls, self.config.ppo):
                break
        means = torch.stack(seen).mean(0).tolist()
        names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clipfrac", "grad_norm")
        return {f"losses/{name}": mean for name, mean in zip(names, means, strict=True)}

    def _loss(self, minibatch: Minibatch, clip_coef: float) -> Loss:
        judged = self.policy(minibatch.observations, minibatch.state, minibatch.starts)
        parameters = judged.parameters.flatten(0, 1)
        advantages = minibatch.advantages.flatten()
        ppo = self.config.ppo
        sample = Sample(
            log_probs=self.policy.log_prob(parameters, minibatch.actions.flatten(0, 1)),
            old_log_probs=minibatch.log_probs.flatten(),
            advantages=normalize(advantages) if ppo.normalize_advantages else advantages,
            values=judged.values.flatten(),
            old_values=minibatch.values.flatten(),
            returns=minibatch.returns.flatten(),
            entropy=self.policy.entropy(parameters),
            clip_coef=clip_coef,
            value_clip_coef=ppo.value_clip_coef,
            value_coef=ppo.value_coef,
            entropy_coef=ppo.entropy_coef,
        )
        return self.compute_loss(sample)

    def _minibatches(self, rollout: Rollout, targets: Targets) -> Iterator[Minibatch]:
        steps, slots = rollout.starts.shape
        whole_slots = len(rollout.state) > 0
        count = slots if whole_slots else steps * slots
        size = self.config.minibatch_size // steps if whole_slots else self.config.minibatch_size
        pick = _slots if whole_slots else _steps
        order = torch.randperm(count, generator=self.generator).to(rollout.starts.device)
        for start in range(0, count, size):
            yield pick(rollout, targets, order[start : start + size])


def normalize(advantages: Tensor) -> Tensor:
    """Advantages (B,) with mean 0 and standard deviation 1; a single one, or equal ones, become 0."""
    centred = advantages - advantages.mean()
    return centred / (centred.square().mean().sqrt() + 1e-8)


def explained_variance(values: NDArray[np.float32], returns: NDArray[np.float32]) -> float | None:
    """`1 - Var[returns - values] / Var[returns]`: 1 is perfect, 0 no better than the mean; none without variance."""
    spread = float(returns.var())
    return 1 - float((returns - values).var()) / spread if spread > 0 else None


def _steps(rollout: Rollout, targets: Targets, picked: Tensor) -> Minibatch:
    def take(values: Tensor) -> Tensor:
        return values.flatten(0, 1)[picked].unsqueeze(0)

    return Minibatch(
        observations=take(rollout.observations),
        starts=take(rollout.starts),
        state=rollout.state,
        actions=take(rollout.actions),
        log_probs=take(rollout.log_probs),
        advantages=take(targets.advantages),
        returns=take(targets.returns),
        values=take(targets.values),
    )


def _slots(rollout: Rollout, targets: Targets, picked: Tensor) -> Minibatch:
    return Minibatch(
        observations=rollout.observations[:, picked],
        starts=rollout.starts[:, picked],
        state=rollout.state[:, picked],
        actions=rollout.actions[:, picked],
        log_probs=rollout.log_probs[:, picked],
        advantages=targets.advantages[:, picked],
        returns=targets.returns[:, picked],
        values=targets.values[:, picked],
    )


def _numbers(loss: Loss, grad_norm: Tensor) -> Tensor:
    return torch.stack([loss.policy, loss.value, loss.entropy, loss.approx_kl, loss.clipfrac, grad_norm])


def _too_far(kls: list[Tensor], config: PPOConfig) -> bool:
    return config.target_kl is not None and float(torch.stack(kls).mean()) > config.target_kl
