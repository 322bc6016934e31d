"""Many copies of one environment behind one interface, in this process or in workers; it never changes a trajectory."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from trainer.contract.environment import EnvConfig
from trainer.envs.arrays import StepArrays, bytes_needed
from trainer.envs.group import EnvGroup
from trainer.envs.interface import ActionSpace, DiscreteActions, EpisodeEnd
from trainer.envs.make import spaces_of
from trainer.envs.requests import Assign, GroupPlan, Request, Reset, Step
from trainer.envs.tasks import Tasks
from trainer.ops.slots import Task
from trainer.plain.refusal import Refused
from trainer.worker import Worker

_STEP = Step()


class _Side(Protocol):
    """Where some of the environments live: here or in a worker."""

    def send(self, request: Request) -> None: ...
    def receive(self) -> list[EpisodeEnd]: ...
    def close(self) -> None: ...


class _Here:
    """The share of this process: done when it is received, after all workers have been sent theirs."""

    def __init__(self, group: EnvGroup) -> None:
        self._group = group
        self._request: Request = Step()

    def send(self, request: Request) -> None:
        self._request = request

    def receive(self) -> list[EpisodeEnd]:
        return self._request.perform(self._group)

    def close(self) -> None:
        self._group.close()


class VectorEnv:
    """`num_envs` environments of A agents as N = num_envs * A slots; slot = env * A + agent.

    Legend: N slots, * the space's own shape. The arrays are the same objects all along and are written in place by
    each step: copy what must outlive the next `send` or `step`.

    - `observations` (N, *): what each agent sees now; after an end, the first observation of the next episode.
    - `rewards` (N,) float32, `terminated` (N,) bool, `truncated` (N,) bool: of the last step; all agents of one
      environment end together.
    - `final_observations` (N, *): the last observation of the episode that ended; valid only where it did end in the
      last step.

    `num_workers` processes step them, of which this one is the first: it steps its share in `receive`, while the others
    step theirs.

    `replays` maps an environment to a path: the first episode that it ends is saved there. Environment i draws the
    seeds of its episodes from `default_rng(seeds[i])`, so trajectories are the same for any `num_workers`. Raises
    `Refused` if there is no such environment and `WorkerFailed` if a worker fails, after which everything is closed.
    """

    def __init__(
        self,
        config: EnvConfig,
        num_envs: int,
        num_workers: int = 1,
        replays: Mapping[int, Path] | None = None,
    ) -> None:
        _check(num_envs, num_workers, replays or {})
        spaces = spaces_of(config)
        self.num_envs = num_envs
        self.num_agents = spaces.num_agents
        self.num_slots = num_envs * spaces.num_agents
        self.observation_space = spaces.observation
        self.action_space = spaces.action
        # Anonymous shared memory: its file is unlinked from the start, so that no way to die can leak it.
        memory = RawArray("B", bytes_needed(spaces, self.num_slots))
        arrays = StepArrays.over(memory, spaces, self.num_slots)
        self._actions = arrays.actions
        self.observations = arrays.observations
        self.final_observations = arrays.final_observations
        self.rewards = arrays.rewards
        self.terminated = arrays.terminated
        self.truncated = arrays.truncated
        self._waiting: list[_Side] = []
        self._ready = False
        self._sides: list[_Side] = []
        self._tasks = Tasks(config, spaces, num_envs)
        self._chunks = _chunks(num_envs, num_workers)
        self._start([GroupPlan(config, spaces, memory, self.num_slots, envs, replays or {}) for envs in self._chunks])

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin an episode in every environment; `seeds` has one for each, from which all its episodes follow."""
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments; give one for each")
        self._require_idle()
        self._send([Reset([int(seed) for seed in seeds[envs.start : envs.stop]]) for envs in self._chunks])
        self._ready = True
        self.receive()

    def assign(self, tasks: Sequence[Task]) -> None:
        """Let each environment play its task, one for each, in every episode that begins from now on.

        Episodes under way go on unchanged; the seeds of episodes do not depend on tasks. Raises `Refused`, and changes
        nothing, if a task cannot be made or changes the spaces. Costs nothing where a task is the one before.
        """
        self._require_idle()
        changed = self._tasks.changed(tasks)
        shares = [{env: changed[env] for env in envs if env in changed} for envs in self._chunks]
        if changed:
            self._send([Assign(share) if share else None for share in shares])
            self.receive()

    def step(self, actions: NDArray[Any]) -> list[EpisodeEnd]:
        """Let every agent act: `actions` (N,) integers or (N, d) floats. The episodes that ended, by environment."""
        self.send(actions)
        return self.receive()

    def send(self, actions: NDArray[Any]) -> None:
        """Begin a step; workers step while this process does other things. Arrays are not valid until `receive`."""
        if not self._ready:
            raise RuntimeError("the environments have no episode yet; call reset before the first step")
        self._require_idle()
        _copy(actions, self._actions, self.action_space)
        self._send([_STEP] * len(self._sides))

    def receive(self) -> list[EpisodeEnd]:
        """Step this process's share and wait for the others; the arrays then hold the outcome of what `send` began."""
        if not self._waiting:
            raise RuntimeError("nothing was sent; call send before receive")
        waiting, self._waiting = self._waiting, []
        try:
            return [end for side in waiting for end in side.receive()]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers and close the environments; safe to call twice."""
        sides, self._sides = self._sides, []
        self._ready, self._waiting = False, []
        for side in sides:
            side.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, plans: Sequence[GroupPlan]) -> None:
        own, *others = plans
        try:
            for plan in others:
                self._sides.append(Worker(plan))
            workers = list(self._sides)
            self._sides.insert(0, _Here(own.make()))
            for worker in workers:
                worker.receive()
        except BaseException:
            self.close()
            raise

    def _send(self, requests: Sequence[Request | None]) -> None:
        try:
            for side, request in zip(self._sides, requests, strict=True):
                if request is not None:
                    side.send(request)
                    self._waiting.append(side)
        except BaseException:
            self.close()
            raise

    def _require_idle(self) -> None:
        if self._waiting:
            raise RuntimeError("a step is under way; call receive before the next send")
        if not self._sides:
            raise RuntimeError("the environments are closed; make a new VectorEnv")


def _check(num_envs: int, num_workers: int, replays: Mapping[int, Path]) -> None:
    if num_envs < 1:
        raise Refused.one("num_envs", num_envs, "at least one environment is needed")
    if not 1 <= num_workers <= num_envs:
        raise Refused.one("num_workers", num_workers, f"each worker needs an environment: 1 to {num_envs}")
    for env in replays:
        if not 0 <= env < num_envs:
            raise Refused.one("replays", env, f"there is no such environment: 0 to {num_envs - 1}")


def _copy(actions: NDArray[Any], into: NDArray[Any], space: ActionSpace) -> None:
    given = np.asarray(actions)
    if given.shape != into.shape:
        raise ValueError(f"actions have shape {given.shape}, but must have {into.shape}")
    if isinstance(space, DiscreteActions):
        if given.dtype.kind not in "iu":
            raise ValueError(f"actions are {given.dtype}, but choices among {space.n} must be integers")
        # MettaGrid would take any other number for a noop, silently. Without its sign a negative one is huge.
        unsigned = given.astype(np.uint64)
        if unsigned[unsigned.argmax()] >= space.n:
            raise ValueError(f"actions reach from {given.min()} to {given.max()}, but must be 0 to {space.n - 1}")
    into[...] = given


def _chunks(num_envs: int, num_workers: int) -> list[range]:
    """Contiguous shares of the environments, as equal as can be."""
    bounds = [worker * num_envs // num_workers for worker in range(num_workers + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]
