"""A sweep from its declaration to its best spec: each trial launched, followed, stopped if it is pruned, and kept.

Nothing but the journal and Dagster's records is kept: whoever runs the same sweep again goes on with it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import dagster as dg

from axiom_dagster.beginning import check_beginning
from axiom_dagster.preflight import check_spec
from axiom_dagster.sweeps.journal import Journal
from axiom_dagster.sweeps.search import Search, Trial
from axiom_dagster.sweeps.trials import Trials, reports, trained, value_at
from axiom_dagster.variants.dequeuing import Dequeuing
from axiom_dagster.variants.standing import UNDER_WAY, Standing
from axiom_dagster.working_directory import working_directory_importable
from resources.home import axiom_home, dagster_instance
from trainer.algorithm.declaration import exposed
from trainer.contract import Refused, TrainAndEvalSpec, save_experiment_spec
from trainer.contract.space import Choices
from trainer.contract.sweep import Sweep

POLL_SECONDS = 0.5
BEST = "best.yaml"
Watch = Callable[[Search, Standing | None], None]


def _unwatched(search: Search, standing: Standing | None) -> None: ...


class SweepExperiment:
    """A sweep on the Dagster instance that the UI shows, each trial a run of its own in the queue."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._instance: dg.DagsterInstance | None = None

    @property
    def folder(self) -> Path:
        """Where the journal and what was found lie."""
        return axiom_home() / "sweeps" / self.sweep.name

    @property
    def instance(self) -> dg.DagsterInstance:
        """The home's Dagster instance."""
        self._instance = self._instance or dagster_instance()
        return self._instance

    def prepare(self) -> Self:
        """Refuse all that can be refused before a run exists: also ops that break the contract of their step."""
        with working_directory_importable():
            for spec in self._unlike_specs():
                check_spec(spec)
                check_beginning(spec, {})
        return self

    def run(self, watch: Watch = _unwatched, *, poll_seconds: float = POLL_SECONDS) -> Search:
        """Run trials until the sweep ends; returns all of them. Raises `Refused`.

        `watch` is shown now and then how far it is. An interrupt cancels the trial that is under way, which the next
        launch begins anew; a trial that outlives this process is taken over by it.
        """
        self.prepare()
        with Journal(self.folder) as journal:
            search, queue = Search(self.sweep, journal), Dequeuing(self.instance)
            try:
                while trial := search.next_trial():
                    self._run_trial(search, trial, queue, watch, poll_seconds)
                    self._export(search)
            finally:
                queue.end()
            self._export(search)  # Whoever ended the last trial may have been killed before.
            watch(search, None)
            return search

    def _run_trial(self, search: Search, trial: Trial, queue: Dequeuing, watch: Watch, poll_seconds: float) -> None:
        try:
            self.sweep.spec(trial.params)
        except Refused as refused:
            search.end(trial, "failed", why=f"refused: {refused}")
            return
        trials = Trials(self.sweep, self.instance, axiom_home())
        if not trial.is_pruned:
            trials.launch(search.trials)
        try:
            while (standing := self._look(search, trial, trials)).status in UNDER_WAY:
                queue.ensure()
                watch(search, standing)
                time.sleep(poll_seconds)
        except KeyboardInterrupt:
            _cancel(trial, trials, poll_seconds)
            raise
        _end(search, trial, trials, standing)

    def _look(self, search: Search, trial: Trial, trials: Trials) -> Standing:
        """How far the trial is now, after deciding whether it goes on where that can be decided."""
        standing = trials.standing(trial)
        reported = reports(standing.run) if standing.run and search.rungs(trial) else []
        for rung in search.rungs(trial):
            value = value_at(reported, rung, self.sweep.pruner.metric)
            if value is not None and not trial.is_pruned:
                search.look(trial, rung, value)
        if trial.is_pruned and standing.run and standing.status in ("queued", "running"):
            trials.prune(trial, standing.run)
        return standing

    def _export(self, search: Search) -> None:
        if search.best is not None:
            save_experiment_spec(self.sweep.spec(search.best.params), self.folder / BEST)

    def _unlike_specs(self) -> Iterator[TrainAndEvalSpec]:
        """The base, and the base with each op that the space has."""
        yield self.sweep.spec({})
        for path, each in self.sweep.space.items():
            if path in exposed() and isinstance(each, Choices):
                yield from (self.sweep.spec({path: value}) for value in each.values)


def _cancel(trial: Trial, trials: Trials, poll_seconds: float) -> None:
    """Cancel the trial's run, and wait until it has ended."""
    while (standing := trials.standing(trial)).run and standing.status in UNDER_WAY:
        if standing.status != "cancelling" and not standing.run.cancel():
            return
        time.sleep(poll_seconds)


def _end(search: Search, trial: Trial, trials: Trials, standing: Standing) -> None:
    """Keep how the trial ended; of a trial that was pruned no value counts, however far its run came."""
    run = standing.run
    steps = trained(reports(run)) if run else 0
    seconds = (run.duration_seconds if run else None) or 0.0
    if trial.is_pruned:
        search.end(trial, "pruned", agent_steps=steps, seconds=seconds)
        return
    value = trials.value(run) if run and standing.status == "succeeded" else None
    if value is not None:
        search.end(trial, "succeeded", value, agent_steps=steps, seconds=seconds)
        return
    why = f"reported no {search.sweep.metric}" if standing.status == "succeeded" else standing.status
    search.end(trial, "failed", agent_steps=steps, seconds=seconds, why=(run.error if run else None) or why)
