"""What a thousand episodes and ten thousand tasks cost against ten, in CPU time, memory and files; never wall time.

Evaluations and trainings run in a process of their own each, so that memory is theirs. All values of the tasks lie on
one path, where a search among them would be longest.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np

from assets.figures.curriculum import curriculum_chart
from axiom_dagster.definitions import defs
from benchmarks.results import table
from benchmarks.scaled import buckets
from trainer.contract import TrainAndEvalSpec, load_experiment_spec, save_experiment_spec
from trainer.ops.op import implementations
from trainer.ops.slots import Lesson, TaskEnd

FEW, MANY = 10, 10_000
ENVIRONMENTS, LESSONS, ROUNDS, UPDATES = 8, 50, 7, 2000
CURRICULA: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "bucketed": lambda tasks: {"buckets": tasks},
    "learning_progress": lambda tasks: {"buckets": tasks},
    "levels": lambda tasks: {"levels": [{"buckets": tasks}]},
}
Row = tuple[str, ...]


def scale() -> str:
    """The table; each row says what the many may be at most."""
    rows = [*_evaluation("CartPole-v1", 10, 1000), *_evaluation("arena", 10, 100), *_training()]
    rows += [_lesson(name) for name in CURRICULA] + _outside()
    return table(("what", "few", "many", "at most"), rows)


def _evaluation(kind: str, few: int, many: int) -> list[Row]:
    """An episode is played twice: by a trained policy and by a random one."""
    one, other = _measured(kind, few), _measured(kind, many)
    return [
        (f"{kind}, {few} and {many:,} episodes: memory", *_megabytes(one, other, "memory"), "10 MB more"),
        (
            "… CPU time of an episode",
            f"{one['seconds'] / few * 1e3:.1f} ms",
            f"{other['seconds'] / many * 1e3:.1f} ms",
            "1.5 times",
        ),
        ("… its manifest", *_kilobytes(one, other, "manifest"), "2 kB an episode"),
    ]


def _training() -> list[Row]:
    one, other = _measured("tasks", FEW), _measured("tasks", MANY)
    return [
        (f"`learning_progress`, {FEW} and {MANY:,} tasks: memory", *_megabytes(one, other, "memory"), "10 MB more"),
        ("… CPU time of an update", *(f"{each['seconds'] * 1e3:.0f} ms" for each in (one, other)), "1.2 times"),
        ("… a checkpoint", *_kilobytes(one, other, "checkpoint"), "300 kB more"),
        ("… the longest row of metrics", *_kilobytes(one, other, "row"), "10 kB"),
        ("… its manifest", *_kilobytes(one, other, "manifest"), "1,000 kB"),
    ]


def _measured(kind: str, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scaled", kind, str(number)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _megabytes(one: Mapping[str, float], other: Mapping[str, float], name: str) -> tuple[str, str]:
    return f"{one[name] / 1e6:.1f} MB", f"{other[name] / 1e6:.1f} MB"


def _kilobytes(one: Mapping[str, float], other: Mapping[str, float], name: str) -> tuple[str, str]:
    return f"{one[name] / 1e3:.1f} kB", f"{other[name] / 1e3:.1f} kB"


def _lesson(name: str) -> Row:
    few, many = (_seconds(_taught(name, tasks)) / LESSONS for tasks in (FEW, MANY))
    return (f"a lesson of `{name}`", f"{few * 1e6:.0f} µs", f"{many * 1e6:.0f} µs", "500 µs")


def _taught(name: str, tasks: int) -> Callable[[], None]:
    """Lessons before each of which every environment has ended an episode."""
    op = implementations()["curriculum"][name].accept(CURRICULA[name](buckets(tasks)))
    lesson = partial(Lesson, ENVIRONMENTS, progress=0.0, state={}, generator=np.random.default_rng(0))

    def teach() -> None:
        ended: Sequence[TaskEnd] = ()
        for _ in range(LESSONS):
            ended = [TaskEnd(task, 1.0, 10) for task in op(lesson(ended=ended))]

    return teach


def _outside() -> list[Row]:
    """What else meets a spec with all tasks in it, and the metrics of a training on them."""
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        for what, of in (("its spec as YAML, read", _reading), ("its Launchpad config, checked", _launchpad)):
            rows.append((what, *(f"{_seconds(of(Path(folder), tasks)):.3f} s" for tasks in (FEW, MANY)), "1 s"))
    drawn = (f"{_seconds(partial(curriculum_chart, _metrics(tasks))):.3f} s" for tasks in (FEW, MANY))
    return [*rows, (f"its figure of {UPDATES:,} updates, worked out", *drawn, "1 s")]


def _reading(folder: Path, tasks: int) -> Callable[[], Any]:
    overrides = {"curriculum": {"learning_progress": {"buckets": buckets(tasks)}}}
    spec = TrainAndEvalSpec.accept({"trainer": {"curriculum": {"env": {"id": "Pendulum-v1"}}}, "overrides": overrides})
    return partial(load_experiment_spec, save_experiment_spec(spec, folder / f"{tasks}.yaml"))


def _launchpad(_: Path, tasks: int) -> Callable[[], Any]:
    op = {"op": {"learning_progress": {"buckets": buckets(tasks)}}}
    config = {"ops": {"train": {"config": {"name": "many"}}}, "resources": {"curriculum": {"config": op}}}
    return partial(dg.validate_run_config, defs.resolve_job_def("train_and_eval"), config)


def _metrics(tasks: int) -> list[dict[str, float]]:
    draws, (values,) = random.Random(0), buckets(tasks).values()
    drawn = [draws.choices(values, k=ENVIRONMENTS) for _ in range(UPDATES)]
    return [
        {"agent_steps": 1024.0 * update, **dict.fromkeys((f"curriculum/kwargs.g={value:g}" for value in each), 0.1)}
        for update, each in enumerate(drawn, 1)
    ]


def _seconds(work: Callable[[], Any]) -> float:
    """CPU seconds, the least of some rounds."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        rounds.append(time.process_time() - start)
    return min(rounds)
