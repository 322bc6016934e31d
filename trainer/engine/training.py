"""One training: the object that the pipeline's updates work on, from the first rollout to the last checkpoint.

Which step follows which is declared in `trainer.algorithm`; this says what each one reads and changes, and never
decides the order.
"""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainer.contract import Progress, TrainAndEvalSpec
from trainer.contract.checkpoints import REQUESTED
from trainer.engine.apart import CollectorApart
from trainer.engine.assigned import shares
from trainer.engine.checkpoint import save_checkpoint, weights_digest
from trainer.engine.compiled import measurer_of
from trainer.engine.draws import SharedDraws
from trainer.engine.logs import Logs
from trainer.engine.monitors import Diverged, Monitors
from trainer.engine.normalize import RewardScale
from trainer.engine.parameters import Parameters
from trainer.engine.profiling import profiled
from trainer.engine.ranks import Ranks
from trainer.engine.resuming import Beginning, restore, state_of
from trainer.engine.rollout import Collection, Collector, Rollout, gathered
from trainer.engine.seeding import stream, stream_seed
from trainer.engine.staging import staging_for
from trainer.engine.update import Batch, Learner, Targets, explained_variance
from trainer.engine.witness import Trained, Witness
from trainer.envs.make import spaces_of
from trainer.ops.schedules import scheduled
from trainer.ops.slots import Earned, Estimate, Experience, Lesson, Task, TaskEnd
from trainer.policies.actor_critic import Blueprint, Policy

RECENT_RETURNS = 100
SHOWN = ("overview/reward", "losses/entropy", "losses/approx_kl")


class Training:
    """The state of one training run. Each method is one step of the pipeline, or what a step takes or gives."""

    policy: Policy
    learner: Learner
    rollout: Rollout
    rewards: NDArray[np.float32]
    targets: Targets

    def __init__(
        self,
        spec: TrainAndEvalSpec,
        witness: Witness,
        collector: Collector | CollectorApart,
        device: torch.device,
        stack: ExitStack,
        ranks: Ranks,
        begin_with: Beginning | None = None,
    ) -> None:
        config, seed = spec.trainer, spec.controls.seed
        self.spec, self.config, self.device, self.collector = spec, config, device, collector
        self.witness = witness
        self.ranks = ranks
        self.spaces = spaces_of(config.curriculum.env)
        self.curriculum_generator = np.random.default_rng(stream_seed(seed, "curriculum"))
        self.curriculum_state: dict[str, NDArray[np.float64]] = {}
        self.reward_scale = RewardScale(config.num_slots, config.ppo.gamma)
        self.recent: deque[TaskEnd] = deque(maxlen=-(-RECENT_RETURNS // self.spaces.num_agents))
        self.ended: Sequence[TaskEnd] = ()
        self.done = 0
        self.best: tuple[float, str] | None = None
        self.saved: dict[int, Path] = {}
        self.metrics: dict[str, Any] = {}
        self.shares: dict[str, float] = {}
        self.target: dict[str, float | None] = {}
        self.monitors = Monitors(config.monitors, witness.interventions)
        self.earlier_seconds = 0.0
        self._began = time.perf_counter()
        self._begin_with = begin_with
        self._first = begin_with.done if begin_with else 0
        self._logs = Logs(witness.run, self._first, stack)
        self._profile, self._draws = ExitStack(), ExitStack()
        for part in (self._profile, self._draws):
            stack.push(part)

    def blueprint(self) -> Blueprint:
        """What `policy` is given."""
        return Blueprint(self.spaces, self.spec.agent)

    def with_policy(self, policy: Policy) -> Self:
        """Take the policy that is to learn."""
        module = cast("nn.Module", policy).to(self.device)
        self.policy = cast("Policy", module)
        generator = stream(self.spec.controls.seed, "minibatches")
        measurer = measurer_of(self.policy, self.spaces, self.spec.system, self.device)
        self.learner = Learner(self.policy, Parameters(module), self.config, generator, self.ranks, measurer)
        if self._begin_with is not None:
            restore(self, self._begin_with)
        self.ranks.same_(module.state_dict().values())
        return self

    def updates_done(self) -> int:
        """The updates done by an earlier attempt, or by the run that this one continues; all of them if it is over."""
        return self.config.num_updates if self.is_over() else self.done

    def is_over(self) -> bool:
        """Whether a monitor has ended the training before its last update."""
        return self.monitors.stopped

    @property
    def last_update(self) -> int:
        """The update after which training ends, as far as that is known."""
        return self.done if self.is_over() else self.config.num_updates

    def schedule(self) -> Self:
        """Begin an update: what falls over training is set."""
        profiler = self.config.profiler
        if self.ranks.first and profiler.interval_updates and self.done % profiler.interval_updates == 0:
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
        return Lesson(self.config.num_envs, self.ended, self.progress, self.curriculum_state, self.curriculum_generator)

    def assigned(self, tasks: Sequence[Task]) -> Self:
        """Set what each environment plays from its next episode on."""
        self.shares = shares(tasks, self.metrics)
        self.collector.assign(self.ranks.own(tasks))
        return self

    def collection(self) -> Collection:
        """What `rollout` is given; at the beginning of a segment, every environment begins anew.

        Training goes on in segments between checkpoints, so that one that was interrupted and one that was not are
        the same, whatever an environment remembers. One that begins with a checkpoint of another run may begin inside
        of a segment: the first is then shorter, and has seeds of its own.
        """
        if self.at_boundary() or self.done == self._first:
            segment, inside = divmod(self.done, self.config.checkpoint.interval_updates)
            seed, name = self.spec.controls.seed, f"update/{self.done}" if inside else f"segment/{segment}"
            names = (f"{name}/env/{env}" for env in range(self.config.num_envs))
            self.collector.restart(self.ranks.own([stream_seed(seed, name) for name in names]))
            self.reward_scale.restart()
        if not self.ranks.alone:
            own = self.config.num_slots // self.ranks.count
            self._draws.enter_context(SharedDraws(self.collector.generator, own, self.ranks))
        return Collection(self.collector, self.policy, self.config.rollout_length)

    def collected(self, rollout: Rollout) -> Self:
        """Take the rollout to learn from."""
        self._draws.close()
        self.rollout = gathered(rollout, self.ranks, self.spaces.num_agents)
        self.ended = [TaskEnd(end.task, end.mean_return, end.length) for end in self.rollout.ended]
        self.recent.extend(self.ended)
        return self

    def at_boundary(self) -> bool:
        """Whether a segment begins with the next update."""
        return self.done % self.config.checkpoint.interval_updates == 0

    def _ends_segment(self) -> bool:
        return (self.done + 1) % self.config.checkpoint.interval_updates == 0 or self.done + 1 == self.last_update

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
        arrays, staging = (estimate.advantages, estimate.returns, self.rollout.values), staging_for(self.device)
        self.targets = Targets(*(staging.up(array) for array in arrays))
        return self

    def study(self) -> Learner:
        """What the epochs work on; what collects apart collects the segment's next rollout meanwhile."""
        if isinstance(self.collector, CollectorApart) and not self._ends_segment():
            self.collector.begin(self.policy, self.config.rollout_length)
        return self.learner.studying(Batch(self.rollout, self.targets, self.learning_rate, self.clip_coef))

    def studied(self, learner: Learner) -> Self:
        """Note what was learned; raises `Diverged` where a number is not finite."""
        self.metrics = self._of_rollout() | learner.losses()
        self.monitors.require_finite(self)
        if self.config.normalize_observations:
            self.policy.observe(self.rollout.observations.flatten(0, 1))
        return self

    def report(self) -> Self:
        """End an update: save it if that is due, and tell everyone.

        Raises `Superseded` if another has taken over, `Diverged` if a monitor says so.
        """
        self._profile.close()
        self.done += 1
        self.metrics |= self._clock()
        self.metrics |= self._time_to_target()
        if self.at_boundary():
            self.ranks.require_equal(self._weights_digest)
        self.monitors.stopped = self.ranks.from_first(self._tell)
        return self

    def _tell(self) -> bool:
        self.ranks.heed()
        self.witness.lease.hold()
        self._logs.write(self.metrics)
        self._logs.digest(self.done, self.parts())
        fatal = self.monitors.look(self)
        if not fatal and (self.at_boundary() or self.done == self.last_update):
            self.save()
        self.witness.tracker.written()
        self.witness.reporter.progress(self._progress())
        if fatal:
            raise Diverged(fatal)
        return self.is_over()

    def save(self) -> Path:
        """Write a checkpoint of all that goes on after this update."""
        reward = self.metrics["overview/reward"]
        if reward is not None and (self.best is None or reward > self.best[0]):
            self.best = reward, f"update_{self.done:06d}.pt"
        path = save_checkpoint(self.witness.run, self.config.checkpoint, self.done, state_of(self))
        self.saved = {self.done: path}
        return path

    def save_now(self) -> Path:
        """Write a checkpoint that a hook has asked for, wherever its update stands in the segment."""
        state = state_of(self)
        return save_checkpoint(self.witness.run, self.config.checkpoint, self.done, state, REQUESTED)

    def parts(self) -> dict[str, Any]:
        """All that decides how training goes on, and what the last update was made from; for its digests."""
        rollout = ("observations", "actions", "log_probs", "rewards", "values", "next_values", "ends")
        return {
            "rollout": {name: getattr(self.rollout, name) for name in rollout},
            "targets": {"advantages": self.targets.advantages, "returns": self.targets.returns},
            "policy": cast("nn.Module", self.policy).state_dict(),
            "optimizer": self.learner.optimizer_state,
            "random": {name: generator.get_state() for name, generator in self.generators().items()},
            "curriculum": self.curriculum_state,
        }

    def generators(self) -> dict[str, torch.Generator]:
        """The random streams that go on from update to update."""
        return {"policy": self.collector.generator, "minibatches": self.learner.generator}

    def finish(self) -> Trained:
        """End the training: its last update has a checkpoint, which the first of several processes has written."""
        if self.ranks.first and self.done not in self.saved:
            self.save()
        checkpoint = self.saved.get(self.done, self.witness.run.checkpoints)
        summary = {name: self.metrics[name] for name in ("agent_steps", "seconds")}
        summary |= {"steps_per_second": self.metrics["charts/SPS"], "reward": self.metrics["overview/reward"]}
        summary |= {"episodic_length": self.metrics["charts/episodic_length"], "updates": self.done, **self.target}
        return Trained(self._weights_digest(), checkpoint, summary)

    def _weights_digest(self) -> str:
        return weights_digest(cast("nn.Module", self.policy).state_dict())

    def _of_rollout(self) -> dict[str, Any]:
        recent = self.recent
        reward = float(np.mean([end.reward for end in recent])) if recent else None
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
            **self.shares,
        }

    def seconds(self) -> float:
        """How long all updates so far took, those of earlier attempts with them."""
        return self.earlier_seconds + time.perf_counter() - self._began

    def _clock(self) -> dict[str, float]:
        seconds = self.seconds()
        return {"seconds": seconds, "charts/SPS": self.done * self.config.batch_size / seconds}

    def _time_to_target(self) -> dict[str, float | None]:
        """Agent-steps and seconds when the mean episode reward first was the target; empty where none is set."""
        wanted, reward = self.config.target_reward, self.metrics["overview/reward"]
        if wanted is None or self.target.get("target/agent_steps") is not None:
            return self.target
        reached = reward is not None and reward >= wanted
        names = ("agent_steps", "seconds")
        self.target = {f"target/{name}": self.metrics[name] if reached else None for name in names}
        return self.target

    def _progress(self) -> Progress:
        shown = {name: self.metrics[name] for name in SHOWN if self.metrics[name] is not None}
        return Progress(
            stage="train",
            done=self.metrics["agent_steps"],
            total=self.last_update * self.config.batch_size,
            steps_per_second=self.metrics["charts/SPS"],
            eta_seconds=self.metrics["seconds"] * (self.last_update / self.done - 1),
            saved=self.done in self.saved,
            checkpoint_seconds=self._seconds_to_checkpoint(),
            metrics=shown,
        )

    def _seconds_to_checkpoint(self) -> float:
        """How long the next one is away at the pace of this attempt; 0 after the last update."""
        interval = self.config.checkpoint.interval_updates
        left = min(interval - self.done % interval, self.last_update - self.done)
        return left * (time.perf_counter() - self._began) / (self.done - self._first)
