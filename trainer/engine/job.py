"""The stages as jobs: what a whole stage is given, and what becomes of its result; never how it goes on inside."""

import gc
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from trainer.contract import Manifest, Refused, RunDirectory, SimulationResult, TrainAndEvalSpec
from trainer.engine.apart import CollectorApart, CollectorPlan
from trainer.engine.beginning import beginning_of
from trainer.engine.checkpoint import adopt_checkpoint, load_final_checkpoint
from trainer.engine.evaluation import Tally, evaluate
from trainer.engine.ranks import Ranks
from trainer.engine.rollout import Collector
from trainer.engine.seeding import make_repeatable, stream
from trainer.engine.training import Training
from trainer.engine.witness import Trained, Witness
from trainer.envs.interface import Spaces
from trainer.envs.vector import VectorEnv
from trainer.policies.actor_critic import Blueprint, Policy


@dataclass(frozen=True)
class TrainJob:
    """For `train`, the whole of it: the experiment, and where its files go.

    What replaces the stage returns a checkpoint of an earlier training: its path, or what is in it.
    """

    spec: TrainAndEvalSpec
    run: RunDirectory
    witness: Witness
    stack: ExitStack
    ranks: Ranks = field(default_factory=Ranks)

    def begin(self) -> Training:
        """Make the environments of this process; the stack closes them."""
        config, ranks = self.spec.trainer, self.ranks
        share = _share(self.spec, ranks)
        beginning = ranks.from_first(lambda: beginning_of(self.run, self.spec, self.witness.reporter.log))
        device = ranks.place(make_repeatable(self.spec.controls, self.spec.system))
        collector = _collector(self.spec, len(share), max(1, config.num_workers // ranks.count), device)
        self.stack.enter_context(closing(collector))
        # What is loaded stays: looking through it for garbage takes as long as an update does.
        gc.freeze()
        self.stack.callback(gc.unfreeze)
        return Training(self.spec, self.witness, collector, device, self.stack, ranks, beginning)

    def trained(self, left: Trained | str | Path | Mapping[str, Any]) -> Trained:
        """What training left, or a checkpoint from elsewhere as this run's own."""
        if isinstance(left, Trained):
            return left
        checkpoint, digest = adopt_checkpoint(left, self.spec, self.run)
        self.witness.run.metrics_file.touch()
        return Trained(digest, checkpoint, {})


def _collector(
    spec: TrainAndEvalSpec, num_envs: int, num_workers: int, device: torch.device
) -> Collector | CollectorApart:
    """Collects in this many processes: this one among them, or with overlap all apart from it."""
    env, chance = spec.trainer.curriculum.env, stream(spec.controls.seed, "policy")
    if spec.trainer.overlap:
        return CollectorApart(CollectorPlan(spec.controls, spec.system, env, num_envs, num_workers), chance, device)
    return Collector(VectorEnv(env, num_envs, num_workers), chance, device)


def _share(spec: TrainAndEvalSpec, ranks: Ranks) -> range:
    """The environments of this process; raises `Refused` where they, or a minibatch, cannot be divided."""
    config = spec.trainer
    if config.overlap and not ranks.alone:
        why = "several processes draw the policy's chance together, step by step; leave it off, or start one process"
        raise Refused.one("trainer.overlap", True, why)
    unit = 1 if spec.agent.core == "none" else config.rollout_length
    if config.minibatch_size // unit % ranks.count:
        why = f"each of {ranks.count} processes takes an equal part of a minibatch, for a core whole rollouts; "
        raise Refused.one(
            "trainer.minibatch_size", config.minibatch_size, f"{why}use a multiple of {unit * ranks.count}"
        )
    return ranks.share(config.num_envs)


@dataclass(frozen=True)
class EvaluateJob:
    """For `evaluate`, the whole of it: the experiment, what its training left, and who is told.

    What replaces the stage returns a `SimulationResult` for each simulation, by name.
    """

    spec: TrainAndEvalSpec
    run: RunDirectory
    train: Manifest
    train_run: RunDirectory
    make_policy: Callable[[Blueprint], Policy]
    tally: Tally

    def checkpoint(self) -> dict[str, Any]:
        """The final checkpoint of the training; raises `Refused` if it is not the one that was recorded."""
        return load_final_checkpoint(self.train, self.train_run)

    def evaluate(self) -> dict[str, SimulationResult]:
        """Let the agent and a random one play every simulation."""
        return evaluate(self.spec, self.run, self.checkpoint(), self._policy, self.tally)

    def _policy(self, spaces: Spaces) -> Policy:
        """An untrained policy of the trained one's shape."""
        return self.make_policy(Blueprint(spaces, TrainAndEvalSpec.accept(self.train.spec).agent))

    def evaluated(self, results: Mapping[str, SimulationResult]) -> dict[str, SimulationResult]:
        """The results, if they are of the spec's simulations."""
        if set(results) != set(self.spec.eval_configs):
            wanted = ", ".join(self.spec.eval_configs)
            raise Refused.one("evaluate", ", ".join(results), f"must have a result for each simulation: {wanted}")
        for name, result in results.items():
            missing = [replay for replay in result.replays if not (self.run.path / replay).is_file()]
            if missing:
                raise Refused.one(f"evaluate.{name}.replays", missing[0], f"there is no such file in {self.run.path}")
        return dict(results)
