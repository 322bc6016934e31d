"""One evaluation of some episodes, or one training on some tasks, measured in a process of its own.

`python -m benchmarks.scaled KIND NUMBER` prints what it took as JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.dispatch import Clock
from benchmarks.learning import Quiet
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_run
from trainer.contract.checkpoints import saved_checkpoints
from trainer.entry import run_stage

UPDATES = 20
ARENA = {"num_agents": 4, "width": 11, "height": 11, "num_mines": 4, "num_generators": 2, "num_altars": 2}
CARTPOLE = {"id": "CartPole-v1"}
SMALL_ARENA = {"id": "arena", "arena": {**ARENA, "max_steps": 50}}
SIZES = {"batch_size": 1024, "minibatch_size": 256, "num_envs": 8}


def evaluation(env: Mapping[str, Any], episodes: int) -> dict[str, float]:
    """A trained policy and a random one play so many episodes each."""
    settings = {"total_timesteps": 1024, "curriculum": {"env": env}, "simulation": {"num_episodes": episodes}}
    with tempfile.TemporaryDirectory() as folder:
        run = _begun(folder, settings, {})
        run_stage("train", run, Quiet())
        start = time.process_time()
        run_stage("evaluate", run, Quiet())
        seconds = time.process_time() - start
        return {"seconds": seconds, "manifest": run.manifest_file("evaluate").stat().st_size, "memory": most_memory()}


def training(tasks: int) -> dict[str, float]:
    """A training on so many tasks, drawn by what has most to remember of them."""
    settings = {"total_timesteps": UPDATES * 1024, "curriculum": {"env": {"id": "Pendulum-v1"}}}
    with tempfile.TemporaryDirectory() as folder:
        run = _begun(folder, settings, {"curriculum": {"learning_progress": {"buckets": buckets(tasks)}}})
        clock = Clock()
        run_stage("train", run, clock)
        (*_, checkpoint) = saved_checkpoints(run)
        rows = run.metrics_file.read_text().splitlines()
        return {
            "seconds": median(after - before for before, after in pairwise(clock.ends)),
            "manifest": run.manifest_file("train").stat().st_size,
            "checkpoint": checkpoint.stat().st_size,
            "row": max(map(len, rows)),
            "memory": most_memory(),
        }


def buckets(tasks: int) -> dict[str, list[float]]:
    """So many tasks as values of one path, where a search among them would be longest."""
    return {"kwargs.g": [place / 7 for place in range(tasks)]}


def most_memory() -> float:
    """The most bytes that this process has held; unlike `ru_maxrss` it knows nothing of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def _begun(folder: str, settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> RunDirectory:
    fields = {"trainer": {**SIZES, **settings}, "overrides": overrides, "wandb": {"mode": "disabled"}}
    run = RunDirectory(Path(folder) / "run")
    begin_run(TrainAndEvalSpec.accept(fields), run)
    return run


KINDS = {
    "CartPole-v1": lambda number: evaluation(CARTPOLE, number),
    "arena": lambda number: evaluation(SMALL_ARENA, number),
    "tasks": training,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(KINDS[sys.argv[1]](int(sys.argv[2]))))
