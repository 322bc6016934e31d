"""What offline tracking costs a training: CPU time of its updates with and without it, run by run in turns.

CPU time of the training's own process: other processes' work is not in it; that of the tracking process is told beside.
"""

import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.learning import AGENT, Quiet
from benchmarks.results import table
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_run, create_quick_experiment
from trainer.contract.progress import Progress
from trainer.entry import run_stage

ROUNDS = 5
MODES = ("disabled", "offline")


class CpuClock(Quiet):
    """A reporter that notes this process's CPU time when each update has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def progress(self, progress: Progress) -> None:
        """Note the time."""
        self.ends.append(time.process_time())

    @property
    def seconds(self) -> list[float]:
        """Of each update but the first, which also warms up."""
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


def tracking() -> str:
    """The table, a row for each job: medians over all updates of all rounds."""
    cartpole: dict[str, Any] = {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 61_440}
    jobs = {
        "CartPole-v1, the defaults": TrainAndEvalSpec.accept({"trainer": cartpole, "agent": AGENT}).plain(),
        "quick": create_quick_experiment().plain(),
    }
    header = ("job", "updates", "an update, disabled", "offline", "cost", "CPU time of the tracker, a run")
    return table(header, [_row(name, job) for name, job in jobs.items()])


def _row(name: str, job: Mapping[str, Any]) -> tuple[str, ...]:
    updates: dict[str, list[float]] = {mode: [] for mode in MODES}
    beside: list[float] = []
    for number in range(ROUNDS):
        for mode in MODES[:: 1 if number % 2 else -1]:
            seconds, tracker = _train({**job, "wandb": {"mode": mode}})
            updates[mode] += seconds
            beside += [tracker] if mode == "offline" else []
    without, offline = (median(updates[mode]) for mode in MODES)
    milliseconds = (f"{1e3 * each:.2f} ms" for each in (without, offline))
    return name, str(len(updates["offline"])), *milliseconds, f"{offline / without - 1:+.2%}", f"{median(beside):.1f} s"


def _train(spec: Mapping[str, Any]) -> tuple[list[float], float]:
    """CPU seconds of each update, and of all processes that the training has started."""
    clock, before = CpuClock(), _of_children()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        begin_run(TrainAndEvalSpec.accept(dict(spec)), run)
        run_stage("train", run, clock)
    return clock.seconds, _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
