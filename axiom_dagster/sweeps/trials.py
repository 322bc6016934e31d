"""The trials of one sweep as Dagster runs: put into the queue, found again, stopped, read; it decides nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from axiom_dagster.run_handle import RunHandle
from axiom_dagster.sweeps.search import Search, Trial
from axiom_dagster.variants.launching import put_into_queue
from axiom_dagster.variants.standing import Standing, standings
from axiom_dagster.working_directory import working_directory_importable
from resources.declarations import Declaration
from trainer.contract import Refused, RunDirectory, VariantRun
from trainer.contract.measured import last_value, measured

PRUNED_TAG = "axiom/pruned"
LAUNCHED = ("missing", "cancelled")  # What was cancelled without being pruned was interrupted with its sweep.


@dataclass(frozen=True)
class Trials:
    """Every trial that was asked for is a variant of the experiment of the sweep's name, with the base's seed."""

    search: Search
    instance: dg.DagsterInstance
    home: Path
    run_config: Mapping[str, Any]
    """Dagster's run config of them all: where they compute."""

    def launch(self, trials: Collection[Trial]) -> None:
        """See to it that these are under way or have ended: each launched once, however often this is asked."""
        names, name = {trial.name for trial in trials}, self.search.sweep.name
        with working_directory_importable():
            put_into_queue(
                Declaration(name, list(self._runs(self.search.trials))),
                self.instance,
                self.home,
                launch=f"sweep_{name}",
                run_configs=dict.fromkeys(names, self.run_config),
                told=lambda standing: None,
                chosen=lambda each: each.variant in names and (each.created or each.status in LAUNCHED),
            )

    def standings(self, trials: Collection[Trial]) -> dict[str, Standing]:
        """How far the runs of these are, by the trials' names; a trial without a spec has none."""
        declared = Declaration(self.search.sweep.name, list(self._runs(trials)))
        return {each.variant: each for each in standings(declared, self.instance)}

    def prune(self, trial: Trial, run: RunHandle) -> None:
        """Stop its run, and say on it why."""
        last = max(trial.looks.values(), key=lambda look: look.agent_steps)
        words = f"{self.search.sweep.pruner.metric} {last.value:.6g} after {last.agent_steps} agent-steps"
        self.instance.add_run_tags(run.run_id, {PRUNED_TAG: words})
        run.cancel()

    def value(self, run: RunHandle) -> float | None:
        """The sweep's metric of a run that succeeded; none where it reported none."""
        return measured(self.search.sweep.metric, RunDirectory(run.directory))

    def _runs(self, trials: Collection[Trial]) -> Iterator[VariantRun]:
        for trial in trials:
            with suppress(Refused):  # A trial without a spec has ended without a run.
                spec = self.search.spec(trial)
                yield VariantRun(variant=trial.name, seed=spec.controls.seed, spec=spec)


def value_at(reported: Sequence[Mapping[str, Any]], agent_steps: int, metric: str) -> float | None:
    """The metric's last value when so much was trained; none where it is not yet, or had none."""
    there = next((place for place, each in enumerate(reported) if each["agent_steps"] >= agent_steps), None)
    return None if there is None else last_value(reported[: there + 1], metric)


def trained(reported: Sequence[Mapping[str, Any]]) -> int:
    """How many agent-steps were trained."""
    return int(reported[-1]["agent_steps"]) if reported else 0
