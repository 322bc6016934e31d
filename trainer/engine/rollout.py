"""Acting and remembering: steps of every environment gathered into one batch; it never learns.

Legend: T steps, N slots (agents over all environments), * the shape of an observation.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.engine.deciding import deciding
from trainer.engine.ranks import Ranks
from trainer.engine.staging import Staging, staging_for, widened
from trainer.envs.interface import EpisodeEnd, TokenObservations
from trainer.envs.vector import VectorEnv
from trainer.ops.slots import Task
from trainer.policies.actor_critic import Policy


@dataclass(frozen=True)
class Rollout:
    """What N slots saw, did and got in T steps. Tensors are for the policy, arrays for the ops that need no gradient.

    `next_values` holds V of each step's successor: 0 where the episode terminated, the value of its final observation
    where it was truncated (Pardo et al. 2018, "Time limits in reinforcement learning", arXiv:1712.00378).
    """

    observations: Tensor  # (T, N, *)
    actions: Tensor  # (T, N) or (T, N, d)
    log_probs: Tensor  # (T, N)
    starts: Tensor  # (T, N) bool: an episode begins with this observation
    state: Tensor  # (S, N, H): the core's state before the first step
    rewards: NDArray[np.float32]  # (T, N)
    values: NDArray[np.float32]  # (T, N)
    next_values: NDArray[np.float32]  # (T, N)
    ends: NDArray[np.bool_]  # (T, N): terminated or truncated
    ended: tuple[EpisodeEnd, ...] = ()  # the episodes that ended, oldest first


class Collecting(Protocol):
    """Runs policies in environments, wherever these are; all of a policy's chance comes from `generator`."""

    generator: torch.Generator

    def assign(self, tasks: Sequence[Task]) -> None:
        """Let each environment play its task from its next episode on; raises `Refused` where one cannot be played."""
        ...

    def restart(self, seeds: Sequence[int]) -> None:
        """Begin a new episode in every environment, from these seeds, and forget what the policy remembered."""
        ...

    def collect(self, policy: Policy, steps: int) -> Rollout:
        """Act for `steps` steps in every environment."""
        ...

    def close(self) -> None:
        """Let go of the environments; safe to call twice."""
        ...


class Collector:
    """Runs the policy in the environments, one rollout after the other, each going on where the last one ended."""

    def __init__(
        self, envs: VectorEnv, generator: torch.Generator, device: torch.device, staging: Staging | None = None
    ) -> None:
        self.envs = envs
        self.generator = generator
        self.device = device
        self.staging = staging or staging_for(device)
        self._trims = isinstance(envs.observation_space, TokenObservations)
        self._starts = np.ones(envs.num_slots, np.bool_)
        self._state: Tensor | None = None

    def assign(self, tasks: Sequence[Task]) -> None:
        """Let each environment play its task from its next episode on; raises `Refused` where one cannot be played."""
        self.envs.assign(tasks)

    def restart(self, seeds: Sequence[int]) -> None:
        """Begin a new episode in every environment, from these seeds, and forget what the policy remembered."""
        self.envs.reset(seeds)
        self._starts = np.ones(self.envs.num_slots, np.bool_)
        self._state = None

    def collect(self, policy: Policy, steps: int) -> Rollout:
        """Act for `steps` steps in every environment."""
        first_state, first_starts = self._state_of(policy), self._starts
        by = deciding(policy, first_state, steps, self.envs.num_slots, self.generator, self.staging)
        seen = self.staging.seen()
        ended: list[EpisodeEnd] = []
        rewards, next_values = (np.zeros((steps, self.envs.num_slots), np.float32) for _ in range(2))
        ends = np.zeros((steps, self.envs.num_slots), np.bool_)
        for t in range(steps):
            now = seen.add(self._observe(self.envs.observations))
            ending = self.envs.step(by.decide(now, self._starts))
            rewards[t] = self.envs.rewards
            self._starts = np.logical_or(self.envs.terminated, self.envs.truncated, out=ends[t])
            if ending:
                ended += ending
            if np.count_nonzero(self.envs.truncated):
                self._value_finals(policy, by.state, next_values[t])
        decided = by.decided()
        self._state = decided.state
        observations, starts = seen.stacked(), self.staging.up(np.concatenate([first_starts[None], ends[:-1]]))
        judged = _values(policy, decided.values, observations, starts)
        self._chain(policy, judged, next_values, ends)
        return Rollout(
            observations=observations,
            actions=decided.actions,
            log_probs=decided.log_probs,
            starts=starts,
            state=first_state,
            rewards=rewards,
            values=judged,
            next_values=next_values,
            ends=ends,
            ended=tuple(ended),
        )

    def close(self) -> None:
        """Let go of the environments; safe to call twice."""
        self.envs.close()

    def _state_of(self, policy: Policy) -> Tensor:
        if self._state is None:
            self._state = policy.initial_state(self.envs.num_slots).to(self.device)
        return self._state

    def _value_finals(self, policy: Policy, state: Tensor, values: NDArray[np.float32]) -> None:
        """Write V of the final observations of slots that were truncated in this step into the zeros `values` (N,)."""
        cut = np.flatnonzero(self.envs.truncated & ~self.envs.terminated)
        if len(cut):
            final = self.staging.up(self._observe(self.envs.final_observations[cut]))
            inside = torch.zeros(len(cut), dtype=torch.bool, device=self.device)
            values[cut] = policy.value(final, state[:, cut], inside).cpu().numpy()

    def _chain(
        self,
        policy: Policy,
        values: NDArray[np.float32],
        next_values: NDArray[np.float32],
        ends: NDArray[np.bool_],
    ) -> None:
        """Where an episode goes on, a step's next value is the value of the step that follows."""
        now = self.staging.up(self._observe(self.envs.observations))
        last = policy.value(now, self._state_of(policy), self.staging.up(self._starts)).cpu().numpy()
        following = np.concatenate([values[1:], last[None]])
        np.copyto(next_values, following, where=~ends)

    def _observe(self, observations: NDArray[np.generic]) -> NDArray[np.generic]:
        return trim(observations) if self._trims else observations.copy()


@dataclass(frozen=True)
class Collection:
    """For `rollout`: who acts, where, and for how many steps."""

    collector: Collecting
    policy: Policy
    steps: int

    def collect(self) -> Rollout:
        """The rollout that the spec declares: the policy acts in every environment, step after step."""
        return self.collector.collect(self.policy, self.steps)


def gathered(rollout: Rollout, ranks: Ranks, num_agents: int) -> Rollout:
    """The rollout of all processes from this one's, as one process would have made it."""
    if ranks.alone:
        return rollout
    told = ranks.gather_objects((rollout.ended, rollout.rewards.shape, rollout.observations.shape[2:]))
    if len({shape for _, shape, _ in told}) > 1:
        raise ValueError(f"the rollouts of the processes have different shapes: {[shape for _, shape, _ in told]}")
    ends = ranks.gather_array(rollout.ends)
    return Rollout(
        observations=ranks.gather(_widened(rollout.observations, [seen for _, _, seen in told])),
        actions=ranks.gather(rollout.actions),
        log_probs=ranks.gather(rollout.log_probs),
        starts=ranks.gather(rollout.starts),
        state=ranks.gather(rollout.state),
        rewards=ranks.gather_array(rollout.rewards),
        values=ranks.gather_array(rollout.values),
        next_values=ranks.gather_array(rollout.next_values),
        ends=ends,
        ended=in_order([ended for ended, _, _ in told], ends[:, ::num_agents]),
    )


def in_order(ended: Sequence[Sequence[EpisodeEnd]], ends: NDArray[np.bool_]) -> tuple[EpisodeEnd, ...]:
    """The episodes of all processes, oldest first, environments numbered through; `ends` (T, environments)."""
    told, marked = sum(len(own) for own in ended), int(ends.sum())
    if told != marked:
        raise ValueError(f"the rollouts tell of {told} episodes that ended, but mark {marked} ends")
    share = ends.shape[1] // len(ended)
    waiting: list[deque[EpisodeEnd]] = [deque() for _ in range(ends.shape[1])]
    for rank, own in enumerate(ended):
        for end in own:
            env = rank * share + end.env
            waiting[env].append(replace(end, env=env))
    return tuple(waiting[env].popleft() for _, env in np.argwhere(ends).tolist())


def _values(policy: Policy, told: Tensor | None, observations: Tensor, starts: Tensor) -> NDArray[np.float32]:
    """V (T, N) of all steps: as `act` has told it, or at once where it has not."""
    if told is None:
        state = policy.initial_state(starts.numel()).to(starts.device)
        told = policy.value(observations.flatten(0, 1), state, starts.flatten()).view(starts.shape)
    return told.float().cpu().numpy()


def trim(tokens: NDArray[np.generic]) -> NDArray[np.generic]:
    """A copy of tokens (N, K, 3) without the columns that are padding in every row; at least one column stays."""
    used = (tokens[:, :, 0] != TokenObservations.padding).any(0)
    width = int(used.size - used[::-1].argmax()) if used.any() else 1
    return tokens[:, :width].copy()


def _widened(observations: Tensor, shapes: Sequence[Sequence[int]]) -> Tensor:
    """Tokens (T, n, K, 3) with as many columns as the widest of all have; other observations are alike already."""
    if len(set(shapes)) == 1:
        return observations
    return widened([observations], max(shape[0] for shape in shapes))[0]
