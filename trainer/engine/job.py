"""The stages as jobs: what a whole stage is given, and what becomes of its result; never how it goes on inside."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract import Manifest, Refused, RunDirectory, SimulationResult, TrainAndEvalSpec
from trainer.engine.checkpoint import adopt_checkpoint, load_final_checkpoint, newest_checkpoint
from trainer.engine.evaluation import Tally, evaluate
from trainer.engine.resuming import Beginning
from trainer.engine.seeding import make_repeatable
from trainer.engine.training import Trained, Training, Witness
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

    def begin(self) -> Training:
        """Make the environments; the stack closes them."""
        config = self.spec.trainer
        device = make_repeatable(self.spec.controls, self.spec.system)
        envs = VectorEnv(config.curriculum.env, config.num_envs, config.num_workers)
        self.stack.enter_context(envs)
        return Training(self.spec, self.witness, envs, device, self.stack, self._beginning())

    def _beginning(self) -> Beginning | None:
        """The newest checkpoint of an earlier attempt at this run; none for a first one."""
        state = newest_checkpoint(self.run, self.spec, self.witness.reporter.log)
        if state is None:
            return None
        self.witness.reporter.log(f"training goes on after update {state['update']} of an earlier attempt")
        return Beginning(state)

    def trained(self, left: Trained | str | Path | Mapping[str, Any]) -> Trained:
        """What training left, or a checkpoint from elsewhere as this run's own."""
        if isinstance(left, Trained):
            return left
        checkpoint, digest = adopt_checkpoint(left, self.spec, self.run)
        self.witness.run.metrics_file.touch()
        return Trained(digest, checkpoint, {})


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
