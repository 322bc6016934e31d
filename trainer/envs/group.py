"""Steps some environments, together or one after another, and resets at the end of episodes; never starts a process."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.contract.environment import EnvConfig
from trainer.envs.arrays import StepArrays
from trainer.envs.interface import Env, EpisodeEnd
from trainer.envs.make import make_batch, make_env
from trainer.envs.upcoming import Upcoming
from trainer.ops.slots import Task


class EnvGroup:
    """Environments `first..first+n-1` of a vector, on the rows of their slots; they all live in this process.

    Each draws its episodes' seeds from an own generator, so what it does never depends on its group. Where there is a
    batch, it plays every row, and an episode with a task or a recording has an `Env` too, which plays over it.
    """

    def __init__(self, config: EnvConfig, arrays: StepArrays, envs: range, replays: Mapping[int, Path]) -> None:
        agents = config.num_agents
        self._config = config
        self._arrays = arrays
        self._envs = envs
        self._agents = agents
        self._replays = {index: path for index, path in replays.items() if index in envs}
        self._rows = [arrays.rows(row * agents, (row + 1) * agents) for row in range(len(envs))]
        self._batch = make_batch(config, arrays)
        alone = enumerate(self._rows) if self._batch is None else ()
        self._own: dict[int, Env] = {row: make_env(config, its_arrays) for row, its_arrays in alone}
        self._rewards = arrays.rewards.reshape(len(envs), agents)
        self._returns = np.zeros((len(envs), agents))
        self._lengths = np.zeros(len(envs), np.int64)
        self._upcoming: Upcoming
        self._played: list[Task] = [{} for _ in envs]
        self._assigned = list(self._played)

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin an episode in each environment; `seeds` has one seed for each of them."""
        self._upcoming = Upcoming(seeds, np.asarray if self._batch is None else self._batch.first)
        self._arrays.rewards[:] = 0
        self._arrays.terminated[:] = False
        self._arrays.truncated[:] = False
        self._begin(np.arange(len(self._envs)))

    def assign(self, tasks: Mapping[int, Task]) -> None:
        """Play these tasks, by environment, from the next episode on; the present episodes go on as they are."""
        for index, task in tasks.items():
            self._assigned[self._envs.index(index)] = task

    def step(self) -> list[EpisodeEnd]:
        """Act on the actions in the arrays; an environment whose episode ends is reset at once."""
        # The batch comes first, because an environment of a row's own writes over it.
        if self._batch is not None:
            self._batch.step()
        for row, env in self._own.items():
            try:
                env.step()
            except Exception as error:
                error.add_note(f"raised by environment {self._envs[row]}")
                raise
        self._returns += self._rewards
        self._lengths += 1
        over = self._arrays.terminated | self._arrays.truncated
        return self._end(over) if np.count_nonzero(over) else []

    def close(self) -> None:
        """Close every environment; safe to call twice."""
        for env in self._own.values():
            env.close()

    def _begin(self, rows: NDArray[np.intp]) -> None:
        self._returns[rows] = 0
        self._lengths[rows] = 0
        upcoming = self._upcoming.next(rows.tolist())
        if self._batch is not None:
            self._batch.reset(rows, [first for _, first in upcoming])
        for row, (seed, _) in zip(rows.tolist(), upcoming, strict=True):
            task, record = self._assigned[row], self._envs[row] in self._replays
            if self._batch is None or task or record:
                self._alone(row, task).reset(seed, record)
            else:
                self._close(row)
            self._played[row] = task

    def _alone(self, row: int, task: Task) -> Env:
        """The row's own environment, which plays its task."""
        if row not in self._own or self._played[row] is not task:
            self._close(row)
            self._own[row] = make_env(self._config.with_task(task), self._rows[row])
        return self._own[row]

    def _close(self, row: int) -> None:
        if row in self._own:
            self._own.pop(row).close()

    def _end(self, over: NDArray[np.bool_]) -> list[EpisodeEnd]:
        """What ended, where it is over in these slots; the next episode of each begins."""
        self._arrays.final_observations[over] = self._arrays.observations[over]
        rows = over[:: self._agents].nonzero()[0]
        ends = [self._told(row) for row in rows.tolist()]
        self._begin(rows)
        return ends

    def _told(self, row: int) -> EpisodeEnd:
        index, env = self._envs[row], self._own.get(row)
        replay = self._replays.pop(index, None)
        if env is not None and replay is not None:
            env.save_replay(replay)
        return EpisodeEnd(
            env=index,
            returns=self._returns[row].copy(),
            length=int(self._lengths[row]),
            stats={} if env is None else env.stats(),
            replay=None if replay is None else str(replay),
            task=self._played[row],
        )
