"""Steps some environments one after another, with resets at the end of episodes; it never starts a process."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trainer.contract.environment import EnvConfig
from trainer.envs.arrays import StepArrays
from trainer.envs.interface import Env, EpisodeEnd
from trainer.envs.make import make_env
from trainer.ops.slots import Task

_LARGEST_SEED = 2**31 - 1


class EnvGroup:
    """Environments `first..first+n-1` of a vector, on the rows of their slots; they all live in this process.

    Each draws its episodes' seeds from an own generator, so what it does never depends on its group.
    """

    def __init__(self, config: EnvConfig, arrays: StepArrays, envs: range, replays: Mapping[int, Path]) -> None:
        agents = config.num_agents
        self._config = config
        self._arrays = arrays
        self._envs = envs
        self._replays = {index: path for index, path in replays.items() if index in envs}
        rows = [arrays.rows(row * agents, (row + 1) * agents) for row in range(len(envs))]
        self._rows = rows
        self._made: list[Env] = [make_env(config, row) for row in rows]
        self._rewards = arrays.rewards.reshape(len(envs), agents)
        self._ended = [flags.reshape(len(envs), agents) for flags in (arrays.terminated, arrays.truncated)]
        self._returns = np.zeros((len(envs), agents))
        self._lengths = np.zeros(len(envs), np.int64)
        self._seeds: list[np.random.Generator] = []
        self._played: list[Task] = [{} for _ in envs]
        self._assigned = list(self._played)

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin an episode in each environment; `seeds` has one seed for each of them."""
        self._seeds = [np.random.default_rng(seed) for seed in seeds]
        self._arrays.rewards[:] = 0
        self._arrays.terminated[:] = False
        self._arrays.truncated[:] = False
        for row in range(len(self._made)):
            self._begin(row)

    def assign(self, tasks: Mapping[int, Task]) -> None:
        """Play these tasks, by environment, from the next episode on; the present episodes go on as they are."""
        for index, task in tasks.items():
            self._assigned[self._envs.index(index)] = task

    def step(self) -> list[EpisodeEnd]:
        """Act on the actions in the arrays; an environment whose episode ends is reset at once."""
        for index, env in zip(self._envs, self._made, strict=True):
            try:
                env.step()
            except Exception as error:
                error.add_note(f"raised by environment {index}")
                raise
        self._returns += self._rewards
        self._lengths += 1
        terminated, truncated = self._ended
        ended = (terminated | truncated).any(axis=1)
        return [self._end(row) for row in np.flatnonzero(ended).tolist()] if ended.any() else []

    def close(self) -> None:
        """Close every environment; safe to call twice."""
        for env in self._made:
            env.close()

    def _begin(self, row: int) -> None:
        if self._played[row] is not self._assigned[row]:
            self._make_again(row)
        self._returns[row] = 0
        self._lengths[row] = 0
        seed = int(self._seeds[row].integers(_LARGEST_SEED))
        self._made[row].reset(seed, record=self._envs[row] in self._replays)

    def _make_again(self, row: int) -> None:
        task = self._assigned[row]
        self._made[row].close()
        self._made[row] = make_env(self._config.with_task(task), self._rows[row])
        self._played[row] = task

    def _end(self, row: int) -> EpisodeEnd:
        self._rows[row].final_observations[:] = self._rows[row].observations
        index, env = self._envs[row], self._made[row]
        replay = self._replays.pop(index, None)
        if replay is not None:
            env.save_replay(replay)
        end = EpisodeEnd(
            env=index,
            returns=self._returns[row].copy(),
            length=int(self._lengths[row]),
            stats=env.stats(),
            replay=None if replay is None else str(replay),
            task=self._played[row],
        )
        self._begin(row)
        return end
