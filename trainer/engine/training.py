"""One training: the object that the pipeline's updates work on, from the first rollout to the last checkpoint.

Which step follows which is declared in `trainer.algorithm`; this says what each one reads and changes, and never
decides the order.
"""

import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainer.contract import Progress, Reporter, RunDirectory, TrainAndEvalSpec
from trainer.engine.checkpoint import save_checkpoint, weights_digest
from trainer.engine.normalize import RewardScale
from trainer.engine.parameters import Parameters
from trainer.engine.profiling import profiled
from trainer.engine.rollout import Collection, Collector, Rollout
from trainer.engine.seeding import stream, stream_seed
from trainer.engine.tracking import Tracker
from trainer.engine.update import Learner, Lessons, Targets, explained_variance
from trainer.envs.interface import EpisodeEnd, Spaces
from trainer.envs.vector import VectorEnv
from trainer.ops.schedules import scheduled
from trainer.ops.slots import Earned, Estimate, Experience, Lesson, Task, TaskEnd
from trainer.policies.actor_critic import Blueprint, Policy, interface_of

RECENT_RETURNS = 100
SHOWN = ("overview/reward", "losses/entropy", "losses/approx_kl")


class Diverged(ArithmeticError):
    """Training produced a number that is not finite; what it learned since then is worthless."""


@dataclass(frozen=True)
class Trained:
    """What training leaves: the digest of the weights, the last checkpoint, summary numbers."""

    weights_digest: str
    checkpoint: Path
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class Witness:
    """Who is told about a training while it goes on."""

    run: RunDirectory
    reporter: Reporter
    tracker: Tracker


class Training:
    """The state of one training run. Each method is one step of the pipeline, or what a step takes or gives."""

    policy: Policy
    learner: Learner
    rollout: Rollout
    rewards: NDArray[np.float32]
    targets: Targets

    def __init__(
        self, spec: TrainAndEvalSpec, witness: Witness, envs: VectorEnv, device: torch.device, stack: ExitStack
    ) -> None:
        config, seed = spec.trainer, spec.controls.seed
        self.spec, self.config, self.device, self.envs = spec, config, device, envs
        self.witness = witness
        self.spaces = Spaces(envs.observation_space, envs.action_space, envs.num_agents)
        seeds = [stream_seed(seed, f"env/{env}") for env in range(config.num_envs)]
        self.collector = Collector(envs, seeds, stream(seed, "policy"), device)
        self.curriculum_generator = np.random.default_rng(stream_seed(seed, "curriculum"))
        self.curriculum_state: dict[str, NDArray[np.float64]] = {}
        self.reward_scale = RewardScale(config.num_slots, config.ppo.gamma)
        self.recent: deque[EpisodeEnd] = deque(maxlen=-(-RECENT_RETURNS // envs.num_agents))
        self._ended: Sequence[EpisodeEnd] = ()
        self.done = 0
        self.saved: dict[int, Path] = {}
        self.metrics: dict[str, Any] = {}
        self.started = time.perf_counter()
        witness.run.metrics_file.parent.mkdir(parents=True, exist_ok=True)
        self._lines = stack.enter_context(witness.run.metrics_file.open("w"))
        self._profile = ExitStack()
        stack.push(self._profile)

    def blueprint(self) -> Blueprint:
        """What `policy` is given."""
        return Blueprint(self.spaces, self.spec.agent)

    def with_policy(self, policy: Policy) -> Self:
        """Take the policy that is to learn."""
        module = cast("nn.Module", policy).to(self.device)
        self.policy = cast("Policy", module)
        generator = stream(self.spec.controls.seed, "minibatches")
        self.learner = Learner(self.policy, Parameters(module), self.config, generator)
        return self

    def schedule(self) -> Self:
        """Begin an update: what falls over training is set."""
        profiler = self.config.profiler
        if profiler.interval_updates and self.done % profiler.interval_updates == 0:
            folder = self.witness.run.resolve(profiler.profile_dir)
            self._profile.enter_context(profiled(folder / f"update_{self.done:06d}.json"))
        progress, optimizer, ppo = self.progress, self.config.optimizer, self.config.ppo
        self.learning_rate = scheduled(optimizer.learning_rate, optimizer.schedule, progress)
        self.clip_coef = scheduled(ppo.clip_coef, ppo.clip_schedule, progress)
        return self

    @property
    def progress(self) -> float:
        """The part of all updates that is done."""
        return self.done / self.config.num_updates

    def lesson(self) -> Lesson:
        """What `curriculum` is given."""
        ended = [TaskEnd(end.task, float(end.returns.mean()), end.length) for end in self._ended]
        return Lesson(self.config.num_envs, ended, self.progress, self.curriculum_state, self.curriculum_generator)

    def assigned(self, tasks: Sequence[Task]) -> Self:
        """Set what each environment plays from its next episode on."""
        self.envs.assign(tasks)
        return self

    def collection(self) -> Collection:
        """What `rollout` is given."""
        return Collection(self.collector, self.policy, self.config.rollout_length)

    def collected(self, rollout: Rollout) -> Self:
        """Take the rollout to learn from."""
        self.rollout, self._ended = rollout, rollout.ended
        self.recent.extend(rollout.ended)
        return self

    def earned(self) -> Earned:
        """What `compute_reward` is given."""
        rollout = self.rollout
        return Earned(rollout.rewards, rollout.ends, rollout.observations, rollout.actions)

    def paid(self, rewards: NDArray[np.float32] | float) -> Self:
        """Take what each step is worth, scaled where the spec says so."""
        worth = np.broadcast_to(np.asarray(rewards, np.float32), self.rollout.rewards.shape)
        self.rewards = self.reward_scale(worth, self.rollout.ends) if self.config.normalize_rewards else worth
        return self

    def experience(self) -> Experience:
        """What `compute_advantage` is given."""
        rollout, ppo = self.rollout, self.config.ppo
        log_probs = rollout.log_probs.cpu().numpy()
        return Experience(
            rewards=self.rewards,
            values=rollout.values,
            next_values=rollout.next_values,
            ends=rollout.ends,
            log_probs=log_probs,
            target_log_probs=log_probs,
            gamma=ppo.gamma,
            gae_lambda=ppo.gae_lambda,
        )

    def estimated(self, estimate: Estimate) -> Self:
        """Take what the update aims at."""
        arrays = (estimate.advantages, estimate.returns, self.rollout.values)
        self.targets = Targets(*(torch.from_numpy(array).to(self.device) for array in arrays))
        return self

    def study(self) -> Learner:
        """What the epochs work on."""
        return self.learner.studying(Lessons(self.rollout, self.targets, self.learning_rate, self.clip_coef))

    def studied(self, learner: Learner) -> Self:
        """Note what was learned; raises `Diverged` where a number is not finite."""
        self.metrics = self._of_rollout() | learner.losses()
        _refuse_to_go_on_without_numbers(self.metrics)
        if self.config.normalize_observations:
            self.policy.observe(self.rollout.observations.flatten(0, 1))
        return self

    def report(self) -> Self:
        """End an update: save it if that is due, and tell everyone."""
        self._profile.close()
        self.done += 1
        self.metrics |= self._clock()
        if self.done % self.config.checkpoint.interval_updates == 0:
            self.save()
        self._lines.write(json.dumps(self.metrics) + "\n")
        self._lines.flush()
        self.witness.tracker.log(self.metrics)
        self.witness.reporter.progress(self._progress())
        return self

    def save(self) -> Path:
        """Write a checkpoint of all that goes on in the next update."""
        generators = {"policy": self.collector.generator, "minibatches": self.learner.generator}
        state = {
            "spec_hash": self.spec.spec_hash,
            "interface": interface_of(self.spaces),
            "agent_steps": self.done * self.config.batch_size,
            "policy": cast("nn.Module", self.policy).state_dict(),
            "optimizer": self.learner.optimizer_state,
            "reward_scale": self.reward_scale.state_dict(),
            "curriculum": {name: torch.from_numpy(array) for name, array in self.curriculum_state.items()},
            "generators": {name: generator.get_state() for name, generator in generators.items()},
        }
        path = save_checkpoint(self.witness.run, self.config.checkpoint, self.done, state)
        self.saved = {self.done: path}
        return path

    def finish(self) -> Trained:
        """End the training: its last update has a checkpoint."""
        checkpoint = self.saved[self.done] if self.done in self.saved else self.save()
        summary = {name: self.metrics[name] for name in ("agent_steps", "seconds")}
        summary |= {"steps_per_second": self.metrics["charts/SPS"], "reward": self.metrics["overview/reward"]}
        summary |= {"episodic_length": self.metrics["charts/episodic_length"], "updates": self.done}
        return Trained(weights_digest(cast("nn.Module", self.policy).state_dict()), checkpoint, summary)

    def _of_rollout(self) -> dict[str, Any]:
        recent = self.recent
        reward = float(np.mean([end.returns.mean() for end in recent])) if recent else None
        returns = self.targets.returns.cpu().numpy()
        return {
            "update": self.done + 1,
            "agent_steps": (self.done + 1) * self.config.batch_size,
            "overview/reward": reward,
            "charts/episodic_return": reward,
            "charts/episodic_length": float(np.mean([end.length for end in recent])) if recent else None,
            "charts/step_reward": float(self.rollout.rewards.mean()),
            "charts/learning_rate": self.learning_rate,
            "losses/explained_variance": explained_variance(self.rollout.values, returns),
        }

    def _clock(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.started
        return {"seconds": seconds, "charts/SPS": self.done * self.config.batch_size / seconds}

    def _progress(self) -> Progress:
        shown = {name: self.metrics[name] for name in SHOWN if self.metrics[name] is not None}
        return Progress(
            stage="train",
            done=self.metrics["agent_steps"],
            total=self.config.num_updates * self.config.batch_size,
            steps_per_second=self.metrics["charts/SPS"],
            eta_seconds=self.metrics["seconds"] * (self.config.num_updates / self.done - 1),
            metrics=shown,
        )


def _refuse_to_go_on_without_numbers(metrics: Mapping[str, float | None]) -> None:
    lost = {name: value for name, value in metrics.items() if value is not None and not isfinite(value)}
    if lost:
        shown = ", ".join(f"{name} = {value}" for name, value in lost.items())
        why = "rewards are not finite, or trainer.optimizer.learning_rate is too large"
        raise Diverged(f"update {metrics['update']}: {shown}; {why}")
