"""The training stage: collect, estimate, learn, save, report, until all timesteps are done; it never evaluates."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.contract import Progress, Reporter, RunDirectory, TrainAndEvalSpec
from trainer.engine.checkpoint import save_checkpoint, weights_digest
from trainer.engine.normalize import RewardScale
from trainer.engine.optimizer import Optimizer, optimizer_op
from trainer.engine.rollout import Collector, Rollout
from trainer.engine.seeding import make_repeatable, stream, stream_seed
from trainer.engine.tracking import Tracker
from trainer.engine.update import Learner, Targets, explained_variance
from trainer.envs.interface import Spaces
from trainer.envs.vector import VectorEnv
from trainer.ops.gae import Gae
from trainer.ops.global_norm import GlobalNorm
from trainer.ops.ppo_clip import PpoClip
from trainer.ops.schedules import scheduled
from trainer.ops.slots import Experience
from trainer.policies.actor_critic import ActorCritic, interface_of


class Diverged(ArithmeticError):
    """Training produced a number that is not finite; what it learned since then is worthless."""


SHOWN = ("overview/reward", "losses/entropy", "losses/approx_kl")


@dataclass(frozen=True)
class Trained:
    """What training leaves: the digest of the weights, the last checkpoint, summary numbers."""

    weights_digest: str
    checkpoint: Path
    metrics: dict[str, float | None]


def train(spec: TrainAndEvalSpec, run: RunDirectory, reporter: Reporter, tracker: Tracker) -> Trained:
    """Train the agent of `spec`; files go to the run directory, words to `reporter`, numbers to `tracker`."""
    config = spec.trainer
    device = make_repeatable(spec.controls, spec.system)
    with VectorEnv(config.curriculum.env, config.num_envs, config.num_workers) as envs:
        training = Training(spec, run, envs, device)
        run.metrics_file.parent.mkdir(parents=True, exist_ok=True)
        with run.metrics_file.open("w") as lines:
            for metrics in training.updates():
                lines.write(json.dumps(metrics) + "\n")
                lines.flush()
                tracker.log(metrics)
                reporter.progress(training.progress(metrics))
        return training.result()


class Training:
    """The state of one training run and its update."""

    def __init__(self, spec: TrainAndEvalSpec, run: RunDirectory, envs: VectorEnv, device: torch.device) -> None:
        config, seed = spec.trainer, spec.controls.seed
        self.spec, self.run, self.config = spec, run, config
        self.spaces = Spaces(envs.observation_space, envs.action_space, envs.num_agents)
        self.device = device
        self.policy = ActorCritic(self.spaces, spec.agent).to(device)
        self.optimizer = Optimizer(self.policy, GlobalNorm(), optimizer_op(config.optimizer), config.ppo.max_grad_norm)
        self.learner = Learner(self.policy, self.optimizer, PpoClip(), config, stream(seed, "minibatches"))
        self.compute_advantage = Gae()
        seeds = [stream_seed(seed, f"env/{env}") for env in range(config.num_envs)]
        self.collector = Collector(envs, seeds, stream(seed, "policy"), device)
        self.reward_scale = RewardScale(config.num_slots, config.ppo.gamma)
        self.done = 0
        self.checkpoint: Path | None = None
        self.last: dict[str, Any] = {}
        self.started = time.perf_counter()

    def updates(self) -> Iterator[dict[str, Any]]:
        """Do every update in turn; the metrics of each."""
        for number in range(self.config.num_updates):
            with self._profiled(number):
                self.last = self._update(number / self.config.num_updates)
            self.done += 1
            if self.done % self.config.checkpoint.interval_updates == 0 or self.done == self.config.num_updates:
                self.checkpoint = self._save()
            yield self.last

    def progress(self, metrics: dict[str, Any]) -> Progress:
        """How far training is."""
        shown = {name: metrics[name] for name in SHOWN if metrics[name] is not None}
        return Progress(
            stage="train",
            done=metrics["agent_steps"],
            total=self.config.num_updates * self.config.batch_size,
            steps_per_second=metrics["charts/SPS"],
            eta_seconds=metrics["seconds"] * (self.config.num_updates / self.done - 1),
            metrics=shown,
        )

    def result(self) -> Trained:
        """What is left when all updates are done."""
        if self.checkpoint is None:
            raise RuntimeError("training has not ended: its last update has no checkpoint yet")
        summary = {name: self.last[name] for name in ("agent_steps", "seconds")}
        summary |= {"steps_per_second": self.last["charts/SPS"], "reward": self.last["overview/reward"]}
        summary |= {"episodic_length": self.last["charts/episodic_length"], "updates": self.done}
        return Trained(weights_digest(self.policy), self.checkpoint, summary)

    def _update(self, progress: float) -> dict[str, Any]:
        learning_rate = scheduled(self.config.optimizer.learning_rate, self.config.optimizer.schedule, progress)
        clip_coef = scheduled(self.config.ppo.clip_coef, self.config.ppo.clip_schedule, progress)
        self.optimizer.learning_rate = learning_rate
        rollout = self.collector.collect(self.policy, self.config.rollout_length)
        targets = self._targets(rollout)
        metrics = self._metrics(rollout, targets, learning_rate) | self.learner.update(rollout, targets, clip_coef)
        _refuse_to_go_on_without_numbers(metrics)
        if self.config.normalize_observations:
            self.policy.observe(rollout.observations.flatten(0, 1))
        return metrics | self._clock()

    def _targets(self, rollout: Rollout) -> Targets:
        ppo = self.config.ppo
        scaled = self.reward_scale(rollout.rewards, rollout.ends) if self.config.normalize_rewards else rollout.rewards
        log_probs = rollout.log_probs.cpu().numpy()
        experience = Experience(
            rewards=scaled,
            values=rollout.values,
            next_values=rollout.next_values,
            ends=rollout.ends,
            log_probs=log_probs,
            target_log_probs=log_probs,
            gamma=ppo.gamma,
            gae_lambda=ppo.gae_lambda,
        )
        estimate = self.compute_advantage(experience)
        arrays = (estimate.advantages, estimate.returns, rollout.values)
        return Targets(*(torch.from_numpy(array).to(self.device) for array in arrays))

    def _metrics(self, rollout: Rollout, targets: Targets, learning_rate: float) -> dict[str, Any]:
        recent = self.collector.recent
        reward = float(np.mean([end.returns.mean() for end in recent])) if recent else None
        return {
            "update": self.done + 1,
            "agent_steps": (self.done + 1) * self.config.batch_size,
            "overview/reward": reward,
            "charts/episodic_return": reward,
            "charts/episodic_length": float(np.mean([end.length for end in recent])) if recent else None,
            "charts/step_reward": float(rollout.rewards.mean()),
            "charts/learning_rate": learning_rate,
            "losses/explained_variance": explained_variance(rollout.values, targets.returns.cpu().numpy()),
        }

    def _clock(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.started
        return {"seconds": seconds, "charts/SPS": (self.done + 1) * self.config.batch_size / seconds}

    def _save(self) -> Path:
        generators = {"policy": self.collector.generator, "minibatches": self.learner.generator}
        state = {
            "spec_hash": self.spec.spec_hash,
            "interface": interface_of(self.spaces),
            "agent_steps": self.done * self.config.batch_size,
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state,
            "reward_scale": self.reward_scale.state_dict(),
            "generators": {name: generator.get_state() for name, generator in generators.items()},
        }
        return save_checkpoint(self.run, self.config.checkpoint, self.done, state)

    @contextmanager
    def _profiled(self, number: int) -> Iterator[None]:
        interval = self.config.profiler.interval_updates
        if interval == 0 or number % interval:
            yield
            return
        folder = self.run.resolve(self.config.profiler.profile_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with torch.profiler.profile() as profile:
            yield
        profile.export_chrome_trace(str(folder / f"update_{number:06d}.json"))


def _refuse_to_go_on_without_numbers(metrics: Mapping[str, float | None]) -> None:
    lost = {name: value for name, value in metrics.items() if value is not None and not isfinite(value)}
    if lost:
        shown = ", ".join(f"{name} = {value}" for name, value in lost.items())
        why = "rewards are not finite, or trainer.optimizer.learning_rate is too large"
        raise Diverged(f"update {metrics['update']}: {shown}; {why}")
