"""Our training as `benchmarks.peers` runs it: `python -m benchmarks.peer_ours NUM_ENVS UPDATES SEED`."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.learning import AGENT, Quiet
from benchmarks.turns import Turns
from trainer.contract import RunDirectory, TrainAndEvalSpec, save_experiment_spec
from trainer.entry import run_stage

STEPS = 128


def fields(num_envs: int, updates: int, seed: int) -> dict:
    """The spec: CleanRL's settings of PPO for CartPole, but values weigh as in stable-baselines3.

    It weighs a value loss that is not halved with 0.5; ours is halved, so its weight is 1.
    """
    batch = num_envs * STEPS
    trainer = {
        "total_timesteps": updates * batch,
        "num_envs": num_envs,
        "batch_size": batch,
        "minibatch_size": batch // 4,
        "normalize_rewards": False,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "optimizer": {"learning_rate": 2.5e-4, "schedule": "linear"},
        "ppo": {"update_epochs": 4, "value_coef": 1.0, "entropy_coef": 0.01},
    }
    return {"trainer": trainer, "agent": AGENT, "controls": {"seed": seed}, "wandb": {"mode": "disabled"}}


class InTurn(Quiet):
    """A reporter that ends a turn with each update."""

    def __init__(self, run: RunDirectory) -> None:
        self._metrics = run.metrics_file
        self._turns = Turns()

    def progress(self, progress: object) -> None:
        """Tell the mean return, as the metrics have it."""
        last = json.loads(self._metrics.read_text().splitlines()[-1])["overview/reward"]
        self._turns.end([] if last is None else [last])


def train(described: dict[str, Any]) -> None:
    """Train once, in turn, with the spec that these fields describe."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        save_experiment_spec(TrainAndEvalSpec.accept(described), run.spec_file)
        run_stage("train", run, InTurn(run))


def main(num_envs: int, updates: int, seed: int) -> None:
    """Train once on CartPole-v1."""
    train(fields(num_envs, updates, seed))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
