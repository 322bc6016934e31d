"""What listing, filtering, comparing and launching runs costs, in a home of 100 runs and in one of 10,000.

CPU time, that of commands from the shell included: other processes' work is not in it.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise, product
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.utils import make_new_run_id
from typer.testing import CliRunner

from assets.launchpad import run_config_of
from axiom_dagster import InProcessCompute, RunHandle, TrainAndEvalExperiment, Variants, VariantsExperiment
from axiom_dagster.cli.app import app
from benchmarks.results import table
from resources.home import dagster_instance
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.matrix import EXPERIMENT_TAG, SEED_TAG, VARIANT_TAG
from trainer.contract import TrainAndEvalSpec, save_experiment_spec

SIZES, ROUNDS = (100, 10_000), 9
STAGES = ("train", "evaluate", "analyze")
SEEDS, EXPERIMENTS = 5, 20
COMPARED, ARMS = "compared", ("one", "other")
LAUNCHED = 6
OVERRIDES = ("train.compute_advantage=vtrace", "train.compute_loss=a2c")
SPEC = {
    "trainer": {
        "total_timesteps": 1024,
        "batch_size": 256,
        "minibatch_size": 256,
        "curriculum": {"env": {"id": "CartPole-v1"}},
    },
    "wandb": {"mode": "disabled"},
}


class OneTransaction(SqliteRunStorage):
    """Dagster's own run storage; what is written through it while `opened` is one transaction, and ten times faster."""

    @classmethod
    @contextmanager
    def opened(cls, home: Path) -> Iterator[SqliteRunStorage]:
        """That of a home's instance."""
        storage = cls.from_local(str(home / "dagster" / "history"))
        with SqliteRunStorage.connect(storage) as storage.connection:
            yield storage

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """The one that is open."""
        yield self.connection


def runs() -> str:
    """A row for each command: medians in both homes, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        homes = [Path(folder) / str(size) for size in SIZES]
        for home, size in zip(homes, SIZES, strict=True):
            fill(home, size)
        columns = [_milliseconds(home) for home in homes]
        for column, milliseconds in zip(columns, _queued(homes), strict=True):
            column["put a run into the queue, in turns"] = milliseconds
    rows = [
        (name, *(f"{column[name]:,.0f} ms" for column in columns), f"{columns[1][name] / columns[0][name]:.2f}")
        for name in columns[0]
    ]
    return table(("CPU time, median", *(f"{size:,} runs" for size in SIZES), "ratio"), rows)


def fill(home: Path, size: int) -> None:
    """Give the home so many runs: one is real, the others are its manifests and its record under other names."""
    with _using(home):
        spec = TrainAndEvalSpec.accept(SPEC)
        real = TrainAndEvalExperiment(spec).run(compute=InProcessCompute())
        assert real.status == "succeeded", real.error
        texts = {stage: (real.directory / stage / "manifest.json").read_text() for stage in STAGES}
    config = run_config_of(spec)
    with OneTransaction.opened(home) as storage:
        for number in range(1, size):
            run = _run(number, config)
            storage.add_run(run)
            for stage, text in texts.items():
                file = home / "runs" / run.tags[INSTANCE_NAME_TAG] / stage / "manifest.json"
                file.parent.mkdir(parents=True)
                file.write_text(text.replace(real.instance_name, run.tags[INSTANCE_NAME_TAG]))
        for variant, seed in product(ARMS, range(SEEDS)):
            _add_compared(storage, home, real.instance_name, variant, seed)


def _add_compared(storage: SqliteRunStorage, home: Path, real: str, variant: str, seed: int) -> None:
    """A run of the experiment that is compared: the real one's directory, with another seed."""
    name, run_id = f"{COMPARED}-{variant}-{seed}", make_new_run_id()
    shutil.copytree(home / "runs" / real, home / "runs" / name)
    save_experiment_spec(
        TrainAndEvalSpec.accept({**SPEC, "controls": {"seed": seed}}), home / "runs" / name / "run.yaml"
    )
    tags = {EXPERIMENT_TAG: COMPARED, VARIANT_TAG: variant, SEED_TAG: str(seed), INSTANCE_NAME_TAG: name}
    storage.add_run(dg.DagsterRun("train_and_eval", run_id=run_id, status=dg.DagsterRunStatus.SUCCESS, tags=tags))


def _run(number: int, config: Mapping[str, Any]) -> dg.DagsterRun:
    run_id, name = make_new_run_id(), f"experiment_{number % EXPERIMENTS}"
    overridden = {"axiom/overrides": OVERRIDES[number % 2]} if number % 3 == 0 else {}
    tags = {
        "axiom/experiment": name,
        INSTANCE_NAME_TAG: f"{name}-20260101-{number:06}-{run_id[:6]}",
        "axiom/seed": str(number % SEEDS),
        **overridden,
    }
    status = dg.DagsterRunStatus.FAILURE if number % 10 == 0 else dg.DagsterRunStatus.SUCCESS
    return dg.DagsterRun("train_and_eval", run_id=run_id, run_config=config, status=status, tags=tags)


def _milliseconds(home: Path) -> dict[str, float]:
    """The median of each command."""
    with _using(home), dagster_instance() as instance:
        a, b = (RunHandle(run_id, instance) for run_id in islice(instance.get_run_ids(), 1, 3))
    filters = {
        "experiment": ("--experiment", "experiment_7"),
        "seed": ("--seed", "3"),
        "status": ("--status", "failed"),
        "override": ("--tag", f"axiom/overrides={OVERRIDES[0]}"),
    }
    commands = {
        "`axiom runs`": ("runs",),
        **{f"`axiom runs`, of one {name}": ("runs", *words) for name, words in filters.items()},
        f"`axiom compare`, of {len(ARMS) * SEEDS} runs, with its page": ("compare", COMPARED),
        "`axiom diff`, by names": ("diff", _name(home, a), _name(home, b)),
        "`axiom diff`, by the beginnings of ids": ("diff", a.run_id[:12], b.run_id[:12]),
    }
    alone = {name: _median(lambda words=words: _inside(home, words)) for name, words in commands.items()}
    started = {
        "`axiom runs`, from the shell": _median(lambda: _shell(home, "axiom", "runs")),
        "`python -c 'import dagster'`, for comparison": _median(lambda: _shell(home, "python", "-c", "import dagster")),
    }
    return alone | started


def _queued(homes: Sequence[Path]) -> list[float]:
    """Milliseconds that a run takes to be put into the queue of each home, the homes taking turns."""
    times: list[list[float]] = [[] for _ in homes]
    for number in range(ROUNDS):
        for home, each in zip(homes, times, strict=True):
            each.extend(_launch(home, number))
    return [median(each) for each in times]


def _launch(home: Path, number: int) -> list[float]:
    """Of the runs of an experiment that is launched; its first one, which makes what the others use, is left out."""
    grid = {"trainer.optimizer.learning_rate": [1e-3, 2e-3]}
    declared = {"name": f"launched_{number}", "base": "quick", "grid": grid, "seeds": range(LAUNCHED // 2)}
    with _using(home):
        experiment, times = VariantsExperiment(Variants.accept(declared)).prepare(), list[float]()
        assert experiment.launch(told=lambda _: times.append(_cpu_seconds())) == LAUNCHED
    return [(after - before) * 1e3 for before, after in pairwise(times)]


def _name(home: Path, run: RunHandle) -> str:
    with _using(home):
        return run.instance_name


def _inside(home: Path, words: tuple[str, ...]) -> None:
    """The command in this process: without the start of the interpreter and the imports, its greatest part."""
    with _using(home):
        result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code in (0, 1), result.output
    assert json.loads(result.stdout), words


def _shell(home: Path, *words: str) -> None:
    command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    subprocess.run(command, env=os.environ | {"AXIOM_HOME": str(home)}, check=True, capture_output=True)


def _median(work: Callable[[], None]) -> float:
    """In milliseconds; the first time warms up."""
    work()
    times: list[float] = []
    for _ in range(ROUNDS):
        start = _cpu_seconds()
        work()
        times.append((_cpu_seconds() - start) * 1e3)
    return median(times)


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def _using(home: Path) -> Iterator[None]:
    before = os.environ.get("AXIOM_HOME")
    os.environ["AXIOM_HOME"] = str(home)
    try:
        yield
    finally:
        os.environ.pop("AXIOM_HOME") if before is None else os.environ.update(AXIOM_HOME=before)
