"""Learning from one rollout: epochs of minibatches, each a step of the optimizer; it never acts.

Legend: T steps, N slots, B agent-steps of a minibatch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat, starmap
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.contract import TrainerConfig
from trainer.engine.compiled import Measurer
from trainer.engine.measuring import Measuring
from trainer.engine.parameters import Parameters
from trainer.engine.ranks import Ranks
from trainer.engine.rollout import Rollout
from trainer.ops.slots import Descent, Loss, Sample
from trainer.policies.actor_critic import Policy
from trainer.policies.transfer import sent


@dataclass(frozen=True)
class Targets:
    """What the update aims at: advantages and returns (T, N), and the values (T, N) that they were made from."""

    advantages: Tensor
    returns: Tensor
    values: Tensor


@dataclass(frozen=True)
class Minibatch:
    """Part of a rollout, (1, B) of shuffled steps or, for a recurrent core, (T, B / T) of whole slots.

    Of several processes each has an equal part of it, its advantages normalized over the whole.
    """

    observations: Tensor
    starts: Tensor
    state: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor


@dataclass(frozen=True)
class Batch:
    """What one update learns from, and the coefficients that fall over training."""

    rollout: Rollout
    targets: Targets
    learning_rate: float
    clip_coef: float


class Learner:
    """The epochs of one update: the object that the pipeline's steps between `shuffle` and `optimizer` work on."""

    batch: Batch
    minibatch: Minibatch
    loss: Loss

    def __init__(
        self,
        policy: Policy,
        parameters: Parameters,
        config: TrainerConfig,
        generator: torch.Generator,
        ranks: Ranks,
        measurer: Measurer | None = None,
    ) -> None:
        self.parameters = parameters
        self.config = config
        self.generator = generator
        self.ranks = ranks
        self.optimizer_state: dict[str, Tensor] = {}
        self._measuring = measurer or Measuring(policy)
        self._minibatches: Iterator[Minibatch] = iter(())
        self._kls: list[Tensor] = []
        self._seen: list[Tensor] = []

    def studying(self, batch: Batch) -> Self:
        """Begin an update."""
        self.batch = batch
        self._seen = []
        return self

    def shuffle(self) -> Self:
        """Begin an epoch: all steps in a new order; whole slots where the policy remembers."""
        self._minibatches = self._shuffled()
        self._kls = []
        return self

    def next_minibatch(self) -> Self:
        """Go on to the next minibatch of the epoch."""
        self.minibatch = next(self._minibatches)
        return self

    def sample(self) -> Sample:
        """What `compute_loss` is given: the minibatch as the policy judges it now."""
        minibatch, ppo = self.minibatch, self.config.ppo
        measured = self._measuring.measure(minibatch.observations, minibatch.state, minibatch.starts, minibatch.actions)
        return Sample(
            log_probs=measured.log_probs,
            old_log_probs=minibatch.log_probs.flatten(),
            advantages=minibatch.advantages.flatten(),
            values=measured.values,
            old_values=minibatch.values.flatten(),
            returns=minibatch.returns.flatten(),
            entropy=measured.entropy,
            clip_coef=self.batch.clip_coef,
            value_clip_coef=ppo.value_clip_coef,
            value_coef=ppo.value_coef,
            entropy_coef=ppo.entropy_coef,
        )

    def judged(self, loss: Loss) -> Self:
        """Take the loss of the minibatch."""
        self.loss = loss
        return self

    def backward(self) -> Self:
        """The gradient of the loss over the whole minibatch: of several processes, the mean of theirs."""
        self.parameters.gradients.zero_()
        self._measuring.differentiate(self.loss.total)
        self.ranks.mean_(self.parameters.gradients)
        return self

    def descent(self) -> Descent:
        """What `optimizer` is given."""
        return Descent(
            parameters=self.parameters.values,
            gradients=self.parameters.gradients,
            max_norm=self.config.ppo.max_grad_norm,
            learning_rate=self.batch.learning_rate,
            hidden=self.parameters.hidden,
            state=self.optimizer_state,
        )

    def descended(self, norm: Tensor) -> Self:
        """Note the losses of the minibatch and the norm of its gradient."""
        self._seen.append(_numbers(self.loss, norm))
        self._kls.append(self.loss.approx_kl)
        return self

    def moved_too_far(self) -> bool:
        """Whether the epoch's mean KL divergence is above `ppo.target_kl`, so that no further epoch is worth it."""
        target = self.config.ppo.target_kl
        if target is None:
            return False
        kl = torch.stack(self._kls).mean()
        self.ranks.mean_(kl)
        return float(kl) > target

    def losses(self) -> dict[str, float]:
        """The update's mean of each loss over its minibatches, by its W&B name."""
        means = torch.stack(self._seen).mean(0)
        self.ranks.mean_(means)
        names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clipfrac", "grad_norm")
        return {f"losses/{name}": mean for name, mean in zip(names, means.tolist(), strict=True)}

    def _shuffled(self) -> Iterator[Minibatch]:
        """The minibatches of an epoch: views of its shuffled arrays."""
        rollout, targets = self.batch.rollout, self.batch.targets
        steps, slots = rollout.starts.shape
        whole_slots = len(rollout.state) > 0
        take, count = (_slots, slots) if whole_slots else (_steps, steps * slots)
        order = sent(torch.randperm(count, generator=self.generator), rollout.starts.device)
        minibatches = order.view(self.config.batch_size // self.config.minibatch_size, -1)
        share = self.ranks.share(minibatches.shape[1], "trainer.minibatch_size")
        own = minibatches[:, share.start : share.stop].flatten()
        advantages = take(targets.advantages, order).unflatten(1, minibatches.shape)
        if self.config.ppo.normalize_advantages:
            advantages = normalize(advantages)
        arrays = (
            rollout.observations,
            rollout.starts,
            rollout.actions,
            rollout.log_probs,
            targets.returns,
            targets.values,
        )
        observations, starts, actions, log_probs, returns, values = (
            take(array, own).split(len(share), 1) for array in arrays
        )
        state = _slots(rollout.state, own).split(len(share), 1) if whole_slots else repeat(rollout.state)
        advantages = advantages[:, :, share.start : share.stop].unbind(1)
        parts = zip(observations, starts, state, actions, log_probs, advantages, returns, values, strict=False)
        return starmap(Minibatch, parts)


def normalize(advantages: Tensor) -> Tensor:
    """Advantages (T, M, B / T) of M minibatches, each with mean 0 and standard deviation 1; equal ones become 0."""
    centred = advantages - advantages.mean((0, 2), keepdim=True)
    return centred / (centred.square().mean((0, 2), keepdim=True).sqrt() + 1e-8)


def explained_variance(values: NDArray[np.float32], returns: NDArray[np.float32]) -> float | None:
    """`1 - Var[returns - values] / Var[returns]`: 1 is perfect, 0 no better than the mean; none without variance."""
    spread = float(returns.var(dtype=np.float64))
    return 1 - float((returns - values).var(dtype=np.float64)) / spread if spread > 0 else None


def _steps(values: Tensor, order: Tensor) -> Tensor:
    """T * N steps in this order, as (1, T * N, *)."""
    return values.flatten(0, 1).index_select(0, order).unsqueeze(0)


def _slots(values: Tensor, order: Tensor) -> Tensor:
    """N slots in this order, as (T, N, *)."""
    return values.index_select(1, order)


def _numbers(loss: Loss, grad_norm: Tensor) -> Tensor:
    return torch.stack([loss.policy, loss.value, loss.entropy, loss.approx_kl, loss.clipfrac, grad_norm])
