"""What recording digests costs a training: its share of the time of an update, both measured in the same updates."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks.learning import AGENT, CARTPOLE, Quiet
from benchmarks.results import table
from benchmarks.timing import timed
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_run, create_quick_experiment
from trainer.contract.progress import Progress
from trainer.engine.digests import DigestLog
from trainer.engine.training import Training
from trainer.entry import run_stage

ROUNDS = 3


class Clocked(Quiet):
    """A reporter that notes when each update has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def progress(self, progress: Progress) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """Of each update but the first, which also warms up."""
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


def digests() -> str:
    """The table, a row for each job: medians over all updates of all rounds."""
    cartpole = {"total_timesteps": 25_600} | {name: CARTPOLE[name] for name in CARTPOLE if name != "total_timesteps"}
    usual = {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 81_920}}
    quiet = {"wandb": {"mode": "disabled"}, "agent": AGENT}
    jobs = {
        "CartPole-v1, 256 steps × 20 epochs": TrainAndEvalSpec.accept({"trainer": cartpole, **quiet}),
        "CartPole-v1, the defaults": TrainAndEvalSpec.accept({**usual, **quiet}),
        "quick": create_quick_experiment(),
    }
    header = ("job", "updates", "whole update", "its digests", "share")
    return table(header, [_row(name, spec) for name, spec in jobs.items()])


def _row(name: str, spec: TrainAndEvalSpec) -> tuple[str, ...]:
    updates, records = list[float](), list[float]()
    for _ in range(ROUNDS):
        whole, recording = _train(spec)
        updates += whole
        records += recording
    update, record = median(updates), median(records)
    return name, str(len(updates)), f"{1e3 * update:.1f} ms", f"{1e3 * record:.3f} ms", f"{record / update:.2%}"


def _train(spec: TrainAndEvalSpec) -> tuple[list[float], list[float]]:
    """Seconds of each update, and of what its digests took: finding the tensors, and recording them."""
    clock, finding, recording = Clocked(), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(patch.object(Training, "parts", timed(Training.parts, finding)))
        stack.enter_context(patch.object(DigestLog, "record", timed(DigestLog.record, recording)))
        run = RunDirectory(Path(folder) / "run")
        begin_run(spec, run)
        run_stage("train", run, clock)
    return clock.seconds, [sum(both) for both in zip(finding[1:], recording[1:], strict=True)]
