"""Small specs and a reporter that keeps what it is told."""

from pathlib import Path
from typing import Any

import pytest

from trainer.contract import Manifest, Progress, RunDirectory, TrainAndEvalSpec, begin_run
from trainer.entry import run_stage

CARTPOLE: dict[str, Any] = {
    "name": "cartpole",
    "trainer": {
        "total_timesteps": 1024,
        "batch_size": 256,
        "minibatch_size": 64,
        "num_envs": 4,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "simulation": {"num_episodes": 3},
        "checkpoint": {"interval_updates": 1, "keep": 2},
    },
    "agent": {"hidden_sizes": [16, 16]},
    "wandb": {"mode": "disabled"},
}


class KeptWords:
    """A reporter for tests."""

    def __init__(self) -> None:
        self.progresses: list[Progress] = []
        self.lines: list[str] = []

    def progress(self, progress: Progress) -> None:
        self.progresses.append(progress)

    def log(self, message: str) -> None:
        self.lines.append(message)


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, deep."""
    both = dict(base)
    for key, value in change.items():
        both[key] = merged(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both


@pytest.fixture
def reporter() -> KeptWords:
    return KeptWords()


@pytest.fixture(scope="session")
def small():
    """A CartPole spec that trains in a second, with changes laid over it."""

    def make(**changes: Any) -> TrainAndEvalSpec:
        return TrainAndEvalSpec.accept(merged(CARTPOLE, changes))

    return make


@pytest.fixture
def start(tmp_path: Path):
    """A new run directory for a spec."""

    def make(spec: TrainAndEvalSpec, name: str = "run") -> RunDirectory:
        run = RunDirectory(tmp_path / name)
        begin_run(spec, run)
        return run

    return make


@pytest.fixture
def trained(start, reporter):
    """Trains a spec in a new run directory."""

    def make(spec: TrainAndEvalSpec, name: str = "run") -> tuple[RunDirectory, Manifest]:
        run = start(spec, name)
        return run, run_stage("train", run, reporter)

    return make
