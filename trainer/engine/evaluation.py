"""The evaluation stage: a trained and a random agent over the same episodes of each simulation; it never learns."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import nn

from trainer.contract import (
    EnvConfig,
    Episode,
    Interval,
    Progress,
    Refused,
    Reporter,
    RunDirectory,
    SimulationResult,
    TrainAndEvalSpec,
)
from trainer.engine.rollout import trim
from trainer.engine.seeding import make_repeatable, stream, stream_seed
from trainer.engine.staging import staging_for
from trainer.envs.interface import BoxActions, EpisodeEnd, Spaces, TokenObservations
from trainer.envs.make import spaces_of
from trainer.envs.vector import VectorEnv
from trainer.policies.actor_critic import Policy, interface_of

SIDE_BY_SIDE = 16

Actor = Callable[[VectorEnv], NDArray[np.generic]]


@dataclass
class Tally:
    """How many episodes and agent-steps are done, for progress."""

    total: int
    reporter: Reporter
    done: int = 0
    agent_steps: int = 0

    def __post_init__(self) -> None:
        self.started = time.perf_counter()

    def count(self, end: EpisodeEnd) -> None:
        """Take note of an ended episode."""
        self.done += 1
        self.agent_steps += end.length * len(end.returns)
        seconds = time.perf_counter() - self.started
        self.reporter.progress(
            Progress(
                stage="evaluate",
                done=self.done,
                total=self.total,
                steps_per_second=self.agent_steps / seconds,
                eta_seconds=seconds * (self.total / self.done - 1),
            )
        )


def evaluate(
    spec: TrainAndEvalSpec,
    run: RunDirectory,
    checkpoint: Mapping[str, Any],
    make_policy: Callable[[Spaces], Policy],
    tally: Tally,
) -> dict[str, SimulationResult]:
    """Evaluate the agent of a checkpoint in every simulation of `spec`; `make_policy` gives one without its weights."""
    device = make_repeatable(spec.controls, spec.system)
    results: dict[str, SimulationResult] = {}
    for name, env in spec.eval_configs.items():
        spaces = spaces_of(env)
        if interface_of(spaces) != checkpoint["interface"]:
            why = "its observations or actions differ from those that the agent was trained with"
            raise Refused.one(f"eval_configs.{name}", env.id, why)
        policy = make_policy(spaces)
        module = cast("nn.Module", policy)
        module.load_state_dict(checkpoint["policy"])
        module.to(device)
        results[name] = Simulation(name, env, spec, run, device).result(policy, tally)
        tally.reporter.log(f"{name}: {results[name].mean_reward:.3g} (random {results[name].random_reward.mean:.3g})")
    return results


class Simulation:
    """One named simulation: the same seeded episodes for any actor."""

    def __init__(
        self, name: str, env: EnvConfig, spec: TrainAndEvalSpec, run: RunDirectory, device: torch.device
    ) -> None:
        self.name, self.env, self.spec, self.run, self.device = name, env, spec, run, device
        self.config = spec.trainer.simulation
        seeds = range(self.config.num_episodes)
        self.seeds = [stream_seed(spec.controls.seed, f"evaluate/{name}/{episode}") for episode in seeds]

    def result(self, policy: Policy, tally: Tally) -> SimulationResult:
        """Both agents' episodes."""
        replays = [self._replay_file(episode) for episode in range(min(self.config.num_replays, len(self.seeds)))]
        agent = self._episodes(lambda wave: self._agent(policy, wave), replays, tally)
        random = self._episodes(self._random, [], tally)
        reward = interval([episode.reward for episode in agent])
        return SimulationResult(
            mean_reward=reward.mean,
            reward=reward,
            random_reward=interval([episode.reward for episode in random]),
            episodes=tuple(agent),
            random_episodes=tuple(random),
            replays=tuple(self.run.relative(path) for path in replays),
        )

    def _replay_file(self, episode: int) -> Path:
        return self.run.resolve(self.config.replay_dir) / self.name / f"episode_{episode:04d}.json.z"

    def _episodes(self, make_actor: Callable[[int], Actor], replays: Sequence[Path], tally: Tally) -> list[Episode]:
        """Run the episodes in waves, so that memory does not grow with their number."""
        episodes: list[Episode] = []
        with ExitStack() as stack:
            envs: VectorEnv | None = None
            for first in range(0, len(self.seeds), SIDE_BY_SIDE):
                seeds = self.seeds[first : first + SIDE_BY_SIDE]
                files = dict(enumerate(replays[first : first + SIDE_BY_SIDE]))
                if envs is None or files or envs.num_envs != len(seeds):
                    stack.close()
                    envs = stack.enter_context(self._envs(len(seeds), files))
                ends = play(envs, seeds, make_actor(first), tally)
                episodes += [_episode(seed, end) for seed, end in zip(seeds, ends, strict=True)]
        return episodes

    def _envs(self, count: int, files: Mapping[int, Path]) -> VectorEnv:
        """As many environments, which save replays as `files` say; to start a worker takes longer than many waves."""
        return VectorEnv(self.env, count, min(self.spec.trainer.num_workers, count), files)

    def _agent(self, policy: Policy, wave: int) -> Actor:
        """The policy as an actor that remembers its core's state."""
        generator = stream(self.spec.controls.seed, f"evaluate/{self.name}/actions/{wave}")
        staging = staging_for(self.device)
        state: torch.Tensor | None = None

        def act(envs: VectorEnv) -> NDArray[np.generic]:
            nonlocal state
            if state is None:
                state = policy.initial_state(envs.num_slots).to(self.device)
            tokens = isinstance(envs.observation_space, TokenObservations)
            seen = trim(envs.observations) if tokens else envs.observations.copy()
            starts = staging.up(envs.terminated | envs.truncated)
            decision = policy.act(staging.up(seen), state, starts, generator, greedy=self.config.greedy)
            state = decision.state
            return staging.down(decision.actions)

        return act

    def _random(self, wave: int) -> Actor:
        """Uniformly random actions, within the bounds where there are any."""
        seed = stream_seed(self.spec.controls.seed, f"evaluate/{self.name}/random/{wave}")
        generator = np.random.default_rng(seed)

        def act(envs: VectorEnv) -> NDArray[np.generic]:
            space = envs.action_space
            if isinstance(space, BoxActions):
                low, high = np.clip(space.low, -1e3, 1e3), np.clip(space.high, -1e3, 1e3)
                return generator.uniform(low, high, (envs.num_slots, len(low))).astype(np.float32)
            return generator.integers(space.n, size=envs.num_slots)

        return act


def play(envs: VectorEnv, seeds: Sequence[int], act: Actor, tally: Tally) -> list[EpisodeEnd]:
    """One episode in each environment, begun from its seed."""
    envs.reset(seeds)
    ends: dict[int, EpisodeEnd] = {}
    while len(ends) < envs.num_envs:
        for end in envs.step(act(envs)):
            if end.env not in ends:
                ends[end.env] = end
                tally.count(end)
    return [ends[env] for env in range(envs.num_envs)]


def interval(rewards: Sequence[float]) -> Interval:
    """Mean and two-sided 95 % interval `mean +- t_{0.975, n-1} * s / sqrt(n)` (Student 1908) of n >= 2 rewards."""
    values = np.asarray(rewards, np.float64)
    half = float(stdtrit(len(values) - 1, 0.975)) * float(values.std(ddof=1)) / sqrt(len(values))
    mean = float(values.mean())
    return Interval(mean=mean, low=mean - half, high=mean + half)


def _episode(seed: int, end: EpisodeEnd) -> Episode:
    return Episode(seed=seed, reward=float(end.returns.mean()), length=end.length, stats=end.stats)
