"""What offline tracking costs a training: its share of the stage's time, both measured in the same run.

All that a training does for its tracking is timed where it does it: starting the process beside it, telling it of each
update, and the wait for it at the stage's end.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.learning import AGENT, Quiet
from benchmarks.results import table
from benchmarks.timing import timed
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_run, create_experiment, create_quick_experiment
from trainer.engine.tracking.companion import Companion
from trainer.entry import run_stage


@dataclass
class Cost:
    """Seconds of one training's stage, and of what it did for its tracking; `tell`: for each update."""

    stage: float
    start: float
    tell: list[float]
    close: float

    @property
    def share(self) -> float:
        """Of the time that the stage would have taken without."""
        tracking = self.start + sum(self.tell) + self.close
        return tracking / (self.stage - tracking)


def tracking() -> str:
    """The table, a row for each job: medians of its runs."""
    cartpole: dict[str, Any] = {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 122_880}
    jobs = {
        "the main job": (create_experiment().plain(), 1),
        "quick": (create_quick_experiment().plain(), 5),
        "CartPole-v1, the defaults": (TrainAndEvalSpec.accept({"trainer": cartpole, "agent": AGENT}).plain(), 5),
    }
    header = ("job", "runs", "stage", "start", "an update", "wait at the end", "cost")
    return table(header, [_row(name, job, runs) for name, (job, runs) in jobs.items()])


def _row(name: str, job: Mapping[str, Any], runs: int) -> tuple[str, ...]:
    costs = [_train({**job, "wandb": {"mode": "offline"}}) for _ in range(runs)]

    def middle(of: Callable[[Cost], float]) -> float:
        return median(map(of, costs))

    return (
        name,
        str(runs),
        f"{middle(lambda each: each.stage):.1f} s",
        f"{1e3 * middle(lambda each: each.start):.1f} ms",
        f"{1e6 * middle(lambda each: median(each.tell)):.1f} µs",
        f"{1e3 * middle(lambda each: each.close):.0f} ms",
        f"{middle(lambda each: each.share):.2%}",
    )


def _train(spec: Mapping[str, Any]) -> Cost:
    start, tell, close = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for name, seconds in (("__init__", start), ("written", tell), ("close", close)):
            stack.enter_context(patch.object(Companion, name, timed(getattr(Companion, name), seconds)))
        run = RunDirectory(Path(folder) / "run")
        begin_run(TrainAndEvalSpec.accept(dict(spec)), run)
        began = time.perf_counter()
        run_stage("train", run, Quiet())
        return Cost(time.perf_counter() - began, sum(start), tell, sum(close))
