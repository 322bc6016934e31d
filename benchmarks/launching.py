"""What launching costs: an experiment of 200 runs put into the queue of a new home, where nobody takes them out."""

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from axiom_dagster import Variants, VariantsExperiment
from axiom_dagster.variants.standing import Standing
from benchmarks.results import table

VARIANTS, SEEDS = 20, 10
FIRST = 20  # Runs after which memory is looked at: whatever is loaded once is there.


def launching() -> str:
    """Launcher's time a run, its memory after 20 and after 200, and what one look at all of them takes."""
    with TemporaryDirectory() as folder, _home(Path(folder)):
        experiment = VariantsExperiment(_variants()).prepare()
        took, megabytes = _launch(experiment)
        start = time.perf_counter()
        found = experiment.standings()
        look = time.perf_counter() - start
        assert [each.status for each in found] == ["queued"] * VARIANTS * SEEDS
        rows = [
            ("put a run into the queue, median", f"{median(took):.2f} s"),
            ("… the slowest of 200", f"{max(took):.2f} s"),
            ("… all 200", f"{sum(took):.0f} s"),
            ("memory of the launcher after 20 runs", f"{megabytes[FIRST - 1]:.0f} MB"),
            ("… after 200 runs", f"{megabytes[-1]:.0f} MB"),
            ("look at all 200 once", f"{look:.2f} s"),
            ("launch again: nothing is missing", f"{_seconds(experiment):.2f} s"),
        ]
    return table(("what", "cost"), rows)


def _launch(experiment: VariantsExperiment) -> tuple[Sequence[float], Sequence[float]]:
    """Seconds of each run, and megabytes after it."""
    times, megabytes = [time.perf_counter()], list[float]()

    def told(_: Standing) -> None:
        times.append(time.perf_counter())
        megabytes.append(_resident())

    experiment.launch(told=told)
    return [after - before for before, after in pairwise(times)], megabytes


def _seconds(experiment: VariantsExperiment) -> float:
    start = time.perf_counter()
    assert experiment.launch() == 0
    return time.perf_counter() - start


def _variants() -> Variants:
    rates = [number * 1e-4 for number in range(1, VARIANTS + 1)]
    return Variants.accept(
        {"name": "many", "base": "quick", "grid": {"trainer.optimizer.learning_rate": rates}, "seeds": range(SEEDS)}
    )


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def _home(folder: Path) -> Generator[None]:
    before = os.environ.get("AXIOM_HOME")
    os.environ["AXIOM_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["AXIOM_HOME"]
        else:
            os.environ["AXIOM_HOME"] = before
