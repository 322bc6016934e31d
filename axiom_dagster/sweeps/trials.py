"""The trials of one sweep as Dagster runs: put into the queue, found again, stopped, read; it decides nothing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import fsum, isfinite
from pathlib import Path
from typing import Any

import dagster as dg

from axiom_dagster.run_handle import RunHandle
from axiom_dagster.sweeps.search import Trial
from axiom_dagster.variants.launching import put_into_queue
from axiom_dagster.variants.standing import Standing, standings
from axiom_dagster.working_directory import working_directory_importable
from resources.compute import compute_run_config
from resources.declarations import Declaration
from resources.local_compute import LocalCompute
from trainer.contract import Refused, RunDirectory, VariantRun
from trainer.contract.sweep import EVALUATION, EVALUATION_REWARD, Sweep

GRACE_SECONDS = 5.0  # Enough to leave, too few to train on for: nobody goes on with what was pruned.
PRUNED_TAG = "axiom/pruned"
LAUNCHED = ("missing", "cancelled")  # What was cancelled without being pruned was interrupted with its sweep.


@dataclass(frozen=True)
class Trials:
    """Every trial that was asked for is a variant of the experiment of the sweep's name, with the base's seed."""

    sweep: Sweep
    instance: dg.DagsterInstance
    home: Path

    def launch(self, trials: Sequence[Trial]) -> None:
        """See to it that the last trial is under way or has ended: launched once, however often this is asked."""
        last = trials[-1]
        with working_directory_importable():
            put_into_queue(
                Declaration(self.sweep.name, list(self._runs(trials))),
                self.instance,
                self.home,
                launch=f"sweep_{self.sweep.name}",
                run_configs={last.name: compute_run_config(LocalCompute(grace_seconds=GRACE_SECONDS))},
                told=lambda standing: None,
                chosen=lambda each: each.variant == last.name and (each.created or each.status in LAUNCHED),
            )

    def standing(self, trial: Trial) -> Standing:
        """How far the trial's run is."""
        return standings(Declaration(self.sweep.name, list(self._runs([trial]))), self.instance)[0]

    def prune(self, trial: Trial, run: RunHandle) -> None:
        """Stop its run, and say on it why."""
        last = max(trial.looks.values(), key=lambda look: look.agent_steps)
        words = f"{self.sweep.pruner.metric} {last.value:.6g} after {last.agent_steps} agent-steps"
        self.instance.add_run_tags(run.run_id, {PRUNED_TAG: words})
        run.cancel()

    def value(self, run: RunHandle) -> float | None:
        """The sweep's metric of a run that succeeded; none where it reported none."""
        metric = self.sweep.metric
        if not metric.startswith(EVALUATION):
            return last_value(reports(run), metric)
        results = run.read("evaluate").eval_results
        if metric == EVALUATION_REWARD:
            return fsum(each.mean_reward for each in results.values()) / len(results) if results else None
        named = results.get(metric.removeprefix(EVALUATION))
        return named.mean_reward if named else None

    def _runs(self, trials: Sequence[Trial]) -> Iterator[VariantRun]:
        for trial in trials:
            with suppress(Refused):  # A trial without a spec has ended without a run.
                spec = self.sweep.spec(trial.params)
                yield VariantRun(variant=trial.name, seed=spec.controls.seed, spec=spec)


def reports(run: RunHandle) -> list[Mapping[str, Any]]:
    """What its training has reported so far, update by update; a line that is being written is left out."""
    file = RunDirectory(run.directory).metrics_file
    if not file.exists():
        return []
    whole = file.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def value_at(reported: Sequence[Mapping[str, Any]], agent_steps: int, metric: str) -> float | None:
    """The metric's last value when so much was trained; none where it is not yet, or had none."""
    there = next((place for place, each in enumerate(reported) if each["agent_steps"] >= agent_steps), None)
    return None if there is None else last_value(reported[: there + 1], metric)


def last_value(reported: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    """The last finite value of the metric."""
    values = (each.get(metric) for each in reversed(reported))
    return next((value for value in values if value is not None and isfinite(value)), None)


def trained(reported: Sequence[Mapping[str, Any]]) -> int:
    """How many agent-steps were trained."""
    return int(reported[-1]["agent_steps"]) if reported else 0
