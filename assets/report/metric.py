"""The scores that runs are compared by: a metric's value for each simulation and seed; not which are better."""

from collections.abc import Iterator, Mapping
from math import fsum, isfinite

from assets.measure import REWARD
from assets.report.record import RunRecord
from assets.report.variants import Variant
from trainer.contract import SimulationResult

TRAINING = "training"
Scores = Mapping[str, Mapping[int, float]]


def scores_of(variant: Variant, metric: str) -> Scores:
    """By simulation and seed; a run that does not report the metric is left out, and not counted as zero."""
    found: dict[str, dict[int, float]] = {}
    for record in variant.records:
        for simulation, value in _values(record, metric):
            found.setdefault(simulation, {})[record.spec.controls.seed] = value
    return {name: dict(sorted(scores.items())) for name, scores in found.items()}


def metrics_of(record: RunRecord) -> set[str]:
    """What the run can be compared by: its reward, what its environments counted, the numbers of its training."""
    results = record.evaluate.eval_results.values() if record.evaluate else ()
    counted = {name for result in results for episode in result.episodes for name in episode.stats}
    trained = (
        {name for name, value in record.train.metrics.items() if _is_number(value)} if record.train else set[str]()
    )
    return {*({REWARD} if results else ()), *counted, *(trained - {REWARD})}


def _values(record: RunRecord, metric: str) -> Iterator[tuple[str, float]]:
    results = record.evaluate.eval_results if record.evaluate else {}
    for name, result in results.items():
        value = result.mean_reward if metric == REWARD else _counted(result, metric)
        if value is not None:
            yield name, value
    trained = record.train.metrics.get(metric) if record.train and metric != REWARD else None
    if trained is not None and isfinite(trained):
        yield TRAINING, trained


def _counted(result: SimulationResult, name: str) -> float | None:
    """The mean over those episodes that counted it."""
    counts = [episode.stats[name] for episode in result.episodes if name in episode.stats]
    return fsum(counts) / len(counts) if counts else None


def _is_number(value: float | None) -> bool:
    return value is not None and isfinite(value)
