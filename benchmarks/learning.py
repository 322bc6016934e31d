"""What PPO learns on CartPole-v1 and Acrobot-v1 at stable-baselines3-zoo's settings, over three seeds.

Settings: rl-baselines3-zoo, hyperparams/ppo.yml, Acrobot for half its timesteps. Stable-baselines3's network is two
trunks of 64, 64 with tanh. It rescales observations and rewards at every step, we once an update.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import table
from trainer.contract import RunDirectory, TrainAndEvalSpec, save_experiment_spec
from trainer.entry import run_stage

SEEDS = (0, 1, 2)
# Stable-baselines3 does not halve the squared error of values: its vf_coef of 0.5 is our value_coef of 1.
SB3 = {"value_coef": 1.0, "entropy_coef": 0.0}
AGENT = {"hidden_sizes": [64, 64], "activation": "tanh"}
CARTPOLE = {
    "total_timesteps": 100_000,
    "num_envs": 8,
    "batch_size": 256,
    "minibatch_size": 256,
    "normalize_rewards": False,
    "curriculum": {"env": {"id": "CartPole-v1"}},
    "optimizer": {"learning_rate": 1e-3, "schedule": "linear"},
    "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 20, "clip_schedule": "linear"} | SB3,
}
ACROBOT = {
    "total_timesteps": 500_000,
    "num_envs": 16,
    "batch_size": 4096,
    "minibatch_size": 64,
    "normalize_observations": True,
    "normalize_rewards": True,
    "curriculum": {"env": {"id": "Acrobot-v1"}},
    "optimizer": {"learning_rate": 3e-4, "schedule": "constant"},
    "ppo": {"gamma": 0.99, "gae_lambda": 0.94, "update_epochs": 4} | SB3,
}


@dataclass(frozen=True)
class Task:
    """An environment, the settings it is learned with, and the return that counts as learned."""

    name: str
    trainer: dict[str, Any]
    threshold: float


class Quiet:
    """A reporter for runs of which only the result is wanted."""

    def progress(self, progress: object) -> None:
        """Nothing."""

    def log(self, message: str) -> None:
        """Nothing."""


def learning() -> str:
    """The table of both tasks."""
    rows = [
        row for task in (Task("CartPole-v1", CARTPOLE, 475), Task("Acrobot-v1", ACROBOT, -100)) for row in _rows(task)
    ]
    header = (
        "environment",
        "seed",
        "mean return, last 100 episodes",
        "best along the way",
        "first at threshold",
        "steps/s",
    )
    return table(header, rows)


def _rows(task: Task) -> list[tuple[str, ...]]:
    return [_row(task, seed) for seed in SEEDS]


def _row(task: Task, seed: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        fields = {"trainer": task.trainer, "agent": AGENT, "controls": {"seed": seed}, "wandb": {"mode": "disabled"}}
        save_experiment_spec(TrainAndEvalSpec.accept(fields), run.spec_file)
        run_stage("train", run, Quiet())
        lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    curve = [(line["agent_steps"], line["overview/reward"]) for line in lines if line["overview/reward"] is not None]
    reached = next((f"{steps:,}" for steps, reward in curve if reward >= task.threshold), "never")
    return (
        task.name,
        str(seed),
        f"{curve[-1][1]:.1f}",
        f"{max(reward for _, reward in curve):.1f}",
        f"{reached} (≥ {task.threshold:g})",
        f"{lines[-1]['charts/SPS']:,.0f}",
    )
