"""Plays vectors of environments and keeps every step; it never judges what it saw."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.contract.environment import ArenaConfig, EnvConfig
from trainer.envs.interface import BoxActions, EpisodeEnd
from trainer.envs.vector import VectorEnv


@dataclass(frozen=True)
class Trajectory:
    """All that a vector showed: arrays with a leading axis of steps, and the ends of episodes of each step."""

    first: np.ndarray
    observations: np.ndarray
    final_observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    ends: list[list[EpisodeEnd]]

    @property
    def all_ends(self) -> list[EpisodeEnd]:
        return [end for ends in self.ends for end in ends]


Play = Callable[..., Trajectory]


@pytest.fixture
def small_arena() -> EnvConfig:
    arena = ArenaConfig(
        num_agents=3, width=9, height=9, num_mines=4, num_generators=2, num_altars=2, num_armories=0, max_steps=17
    )
    return EnvConfig(arena=arena)


@pytest.fixture
def play() -> Play:
    """Plays `steps` steps of given actions (steps, N, …), or of random ones that depend on nothing but the shape."""

    def _play(
        config: EnvConfig,
        *,
        num_envs: int = 2,
        num_workers: int = 1,
        steps: int = 50,
        seeds: list[int] | None = None,
        actions: np.ndarray | None = None,
        replays: Mapping[int, Path] | None = None,
    ) -> Trajectory:
        with VectorEnv(config, num_envs, num_workers, replays) as env:
            actions = random_actions(env, steps) if actions is None else actions
            env.reset(seeds or list(range(num_envs)))
            first = env.observations.copy()
            return _gather(first, [_step(env, action) for action in actions])

    return _play


def random_actions(env: VectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    rng, space = np.random.default_rng(seed), env.action_space
    if isinstance(space, BoxActions):
        return rng.uniform(space.low, space.high, (steps, env.num_slots, *space.shape)).astype(np.float32)
    return rng.integers(0, space.n, (steps, env.num_slots))


def _step(env: VectorEnv, action: np.ndarray) -> tuple[Any, ...]:
    ends = env.step(action)
    done = env.terminated | env.truncated
    final = np.where(done.reshape(-1, *[1] * (env.final_observations.ndim - 1)), env.final_observations, 0)
    return env.observations.copy(), final, env.rewards.copy(), env.terminated.copy(), env.truncated.copy(), ends


def _gather(first: np.ndarray, steps: list[tuple[Any, ...]]) -> Trajectory:
    columns = list(zip(*steps, strict=True))
    return Trajectory(first, *(np.stack(column) for column in columns[:-1]), list(columns[-1]))
