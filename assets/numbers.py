"""The numbers of a stage that Dagster plots over its materializations; one that is not known is left out, never zero.

Under the same names at each stage: `reward`, `steps_per_second`, `duration_seconds`, `cost_dollars`.
"""

from collections.abc import Iterator
from math import fsum, isfinite

from resources.skypilot.costs import accrued_dollars
from resources.skypilot.job_record import JobFolder
from trainer.contract import Manifest, RunDirectory


def numbers(manifest: Manifest, run: RunDirectory) -> dict[str, float]:
    """Each number by its name; an analysis repeats those of the training that it analyzes."""
    return {name: float(value) for name, value in _all(manifest, run) if value is not None and isfinite(value)}


def _all(manifest: Manifest, run: RunDirectory) -> Iterator[tuple[str, float | None]]:
    results = manifest.eval_results
    if results:
        yield "reward", fsum(result.mean_reward for result in results.values()) / len(results)
    yield from manifest.metrics.items()
    yield "duration_seconds", (manifest.ended_at - manifest.started_at).total_seconds()
    yield "cost_dollars", _dollars(manifest, run)
    for name, result in results.items():
        yield f"{name}/mean_reward", result.mean_reward
        yield f"{name}/times_random", result.times_random


def _dollars(manifest: Manifest, run: RunDirectory) -> float | None:
    """What the rented job of the stage has cost; none where nothing was rented, and where its price is not known."""
    record = JobFolder(run.stage(manifest.stage) / "skypilot", manifest.stage).read()
    return accrued_dollars(record.job, record.dollars_per_hour) if record and record.job else None
