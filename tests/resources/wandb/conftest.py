"""A W&B server on loopback, the environment of a machine with its key, and runs that were tracked offline."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.resources.wandb.wandb_server import KEY, WandbServer, serving
from trainer.contract import RunDirectory, begin_run, create_quick_experiment
from trainer.contract.tracking import Tracking, write_tracking


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with serving() as server:
        yield server


@pytest.fixture
def environment(server: WandbServer, tmp_path: Path) -> dict[str, str]:
    """Of a machine that has the key of the server."""
    return {**os.environ, "WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url, "HOME": str(tmp_path)}


@pytest.fixture
def tracked_offline(tmp_path: Path) -> Callable[..., RunDirectory]:
    """Makes a run as an offline training leaves it, with that many updates."""

    def make(name: str = "quick-1", updates: int = 9, **fields: Any) -> RunDirectory:
        run = RunDirectory(tmp_path / "home" / "runs" / name)
        begin_run(create_quick_experiment(**{"wandb": {"tags": ["night"]}, **fields}), run)
        run.stage("train").mkdir(exist_ok=True)
        rows = (
            {"update": n, "agent_steps": 100 * n, "overview/reward": n / 2, "none": None} for n in range(1, updates + 1)
        )
        run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        write_tracking(run, "train", Tracking(mode="offline", run_id=name, project="axiom", updates=updates))
        return run

    return make
