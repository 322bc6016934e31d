"""What it costs that the training loop is a compiled pipeline, against the same loop written by hand.

Both do the same work in the same order and end with the same weights. Whole updates differ by far less than a machine's
noise, even in CPU time and with the least of all rounds taken for each update; so the cost of a step is also measured
alone, in the same two loops where every step does nothing.
"""

import tempfile
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.learning import AGENT, CARTPOLE, Quiet
from benchmarks.loops import Nothing, by_hand, idle_ops, steps_per_update
from benchmarks.results import table
from benchmarks.spread import Spread
from trainer.algorithm.declaration import train_and_eval
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_attempt
from trainer.contract.declared import declared_ops
from trainer.engine.job import TrainJob
from trainer.engine.tracking.companion import Untracked
from trainer.engine.witness import Trained, Witness

ROUNDS, IDLE_ROUNDS, UPDATES, IDLE_UPDATES = 12, 25, 40, 20
SHORT = {**CARTPOLE, "total_timesteps": UPDATES * CARTPOLE["batch_size"]}
NAMES = ("pipeline", "by hand")


class Clock(Quiet):
    """A reporter that notes this process's CPU time whenever an update ends: other processes' work is not in it."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def progress(self, progress: object) -> None:
        """Note the time."""
        self.ends.append(time.process_time())


def dispatch() -> str:
    """The table: whole updates, then steps that do nothing."""
    spec = TrainAndEvalSpec.accept({"trainer": SHORT, "agent": AGENT, "wandb": {"mode": "disabled"}})
    updates = _updates(spec)
    idle = _idle(spec)
    steps = steps_per_update(spec)
    cost = Spread.of([one - other for one, other in zip(*idle.values(), strict=True)])
    update = Spread.of(updates["by hand"])
    rows = [
        *((f"training update, {name}", f"{Spread.of(updates[name]).shown(1e3, 2)} ms") for name in NAMES),
        *((f"{steps} idle steps, {name}", f"{Spread.of(idle[name]).shown(1e6, 1)} µs") for name in NAMES),
        ("dispatch: a step", f"{cost.shown(1e9 / steps, 0)} ns"),
        ("dispatch: part of a training update", f"{cost.shown(100 / update.middle, 2)} %"),
    ]
    return table(("CartPole-v1", "CPU time, median (quartiles)"), rows)


def _updates(spec: TrainAndEvalSpec) -> dict[str, list[float]]:
    """CPU seconds of every update but the first, each the least of all rounds; the loops take turns.

    An update is the same computation in every round and in both loops: asserts that they learn the same weights.
    """
    rounds: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    digests: set[str] = set()
    for number in range(ROUNDS):
        for name in NAMES[:: 1 if number % 2 else -1]:
            trained, times = train(spec, name)
            rounds[name].append(times)
            digests.add(trained.weights_digest)
    assert len(digests) == 1, digests
    return {name: [min(times) for times in zip(*rounds[name], strict=True)] for name in NAMES}


def train(spec: TrainAndEvalSpec, name: str) -> tuple[Trained, list[float]]:
    """Train once by the loop of this name: what it left, and the CPU seconds of every update but the first."""
    loop = (
        spec.pipeline().only("train").compile() if name == "pipeline" else by_hand(declared_ops(spec.trainer.optimizer))
    )
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run = RunDirectory(Path(folder) / "run")
        clock = Clock()
        witness = Witness(run, clock, Untracked(), begin_attempt(run, "train", None))
        trained: Trained = loop(TrainJob(spec, run, witness, stack))
    return trained, [after - before for before, after in pairwise(clock.ends)]


def _idle(spec: TrainAndEvalSpec) -> dict[str, list[float]]:
    """CPU seconds of an update in which no step does anything, the loops taking turns."""
    config = spec.trainer
    minibatches = config.batch_size // config.minibatch_size
    pipeline = train_and_eval(idle_ops(), IDLE_UPDATES, config.ppo.update_epochs, minibatches).only("train")
    loops: dict[str, Any] = {"pipeline": pipeline.compile(), "by hand": by_hand(idle_ops())}
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(IDLE_ROUNDS):
        for name in NAMES:
            nothing = Nothing(IDLE_UPDATES, config.ppo.update_epochs, minibatches)
            start = time.process_time()
            loops[name](nothing)
            seconds[name].append((time.process_time() - start) / IDLE_UPDATES)
    return seconds
