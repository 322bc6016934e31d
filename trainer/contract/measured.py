"""The metrics that experiments of many runs go by, and what a run has reached in one; it judges nothing."""

import json
from collections.abc import Mapping, Sequence
from math import fsum, isfinite
from typing import Any

from trainer.contract.manifest import read_manifest
from trainer.contract.monitors import METRICS
from trainer.contract.run_directory import RunDirectory
from trainer.contract.spec import TrainAndEvalSpec
from trainer.contract.sweep_config import reported

EVALUATION = "evaluation/"
EVALUATION_REWARD = f"{EVALUATION}reward"


def measurable(metric: str, spec: TrainAndEvalSpec) -> str:
    """The metric; raises `ValueError` where a run of this spec does not report it."""
    return reported(metric, [*METRICS, EVALUATION_REWARD, *(f"{EVALUATION}{name}" for name in spec.eval_configs)])


def measured(metric: str, run: RunDirectory) -> float | None:
    """`evaluation/reward` (mean over simulations), `evaluation/<simulation>`, or a training metric's last value.

    None: the run has no such number. Raises `Refused` where the evaluation has no manifest.
    """
    if not metric.startswith(EVALUATION):
        return last_value(reports(run), metric)
    results = read_manifest(run.manifest_file("evaluate")).eval_results
    if metric == EVALUATION_REWARD:
        return fsum(each.mean_reward for each in results.values()) / len(results) if results else None
    named = results.get(metric.removeprefix(EVALUATION))
    return named.mean_reward if named else None


def reports(run: RunDirectory) -> list[Mapping[str, Any]]:
    """What its training has reported so far, update by update; a line that is being written is left out."""
    if not run.metrics_file.exists():
        return []
    whole = run.metrics_file.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def last_value(reported: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    """The last finite value of the metric."""
    values = (each.get(metric) for each in reversed(reported))
    return next((value for value in values if value is not None and isfinite(value)), None)
