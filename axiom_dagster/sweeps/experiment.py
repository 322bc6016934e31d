"""A sweep from its declaration to its best spec: each trial launched, followed, stopped if it is pruned, and kept.

Nothing but the journal and Dagster's records is kept: whoever runs the same sweep again goes on with it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg

from axiom_dagster.beginning import check_beginning
from axiom_dagster.preflight import check_spec
from axiom_dagster.sweeps.beginning import first_trials
from axiom_dagster.sweeps.export import write_best
from axiom_dagster.sweeps.journal import Journal
from axiom_dagster.sweeps.search import Search, Trial
from axiom_dagster.sweeps.trials import Trials, trained, value_at
from axiom_dagster.variants.dequeuing import Dequeuing
from axiom_dagster.variants.experiment import Placed
from axiom_dagster.variants.standing import UNDER_WAY, Standing
from axiom_dagster.working_directory import working_directory_importable
from resources.compute import compute_run_config
from resources.home import axiom_home, dagster_instance
from resources.local_compute import LocalCompute
from trainer.algorithm.declaration import exposed
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec
from trainer.contract.measured import reports
from trainer.contract.space import Choices
from trainer.contract.sweep import Sweep

POLL_SECONDS = 0.5
GRACE_SECONDS = 5.0  # Enough to leave, too few to train on for: nobody goes on with what was pruned.
Watch = Callable[[Search, Mapping[str, Standing]], None]


def _unwatched(search: Search, standings: Mapping[str, Standing]) -> None: ...


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

    def first_trials(self, most: int = 5) -> dict[str, dict[str, Any]]:
        """The values of the first trials by their names, as far as they depend on no result; nothing is launched."""
        return first_trials(self.sweep, most)

    def run(
        self,
        watch: Watch = _unwatched,
        *,
        poll_seconds: float = POLL_SECONDS,
        compute: Placed | None = None,
    ) -> Search:
        """Run trials until the sweep ends; returns all of them. Raises `Refused`.

        `watch` is shown now and then how far it is. `compute` says where runs compute (none: processes of their own
        on the machine that runs them). An interrupt cancels what is under way, which the next launch begins anew; a
        trial that outlives this process is taken over by it.
        """
        self.prepare()
        with Journal(self.folder) as journal:
            search, queue = Search(self.sweep, journal), Dequeuing(self.instance)
            run_config = compute_run_config(compute or LocalCompute(grace_seconds=GRACE_SECONDS))
            trials = Trials(search, self.instance, axiom_home(), run_config)
            try:
                while search.next_trial():
                    self._run_open(search, trials, queue, watch, poll_seconds)
                    write_best(search, self.folder)
            finally:
                queue.end()
            write_best(search, self.folder)  # Whoever ended the last trial may have been killed before.
            watch(search, {})
            return search

    def _run_open(self, search: Search, trials: Trials, queue: Dequeuing, watch: Watch, poll_seconds: float) -> None:
        """Launch every open trial, and wait until all have ended; they end in the journal in their order."""
        trials.launch([trial for trial in search.open if not trial.is_pruned])
        try:
            while True:
                found = trials.standings(search.open)
                for trial in search.open:
                    _look(search, trial, trials, found.get(trial.name))
                _end_ended(search, trials, found)
                if not search.open:
                    return
                queue.ensure()
                watch(search, found)
                time.sleep(poll_seconds)
        except KeyboardInterrupt:
            _cancel(search.open, trials, poll_seconds)
            raise

    def _unlike_specs(self) -> Iterator[TrainAndEvalSpec]:
        """The base, and the base with each op that the space has."""
        yield self.sweep.spec({})
        for path, each in self.sweep.space.items():
            if path in exposed() and isinstance(each, Choices):
                yield from (self.sweep.spec({path: value}) for value in each.values)


def _look(search: Search, trial: Trial, trials: Trials, standing: Standing | None) -> None:
    """Decide whether the trial goes on where that can be decided, and stop it where it does not."""
    run, rungs = standing.run if standing else None, search.rungs(trial)
    reported = reports(RunDirectory(run.directory)) if run and rungs else []
    for rung in rungs:
        value = value_at(reported, rung, search.sweep.pruner.metric)
        if value is not None and not trial.is_pruned:
            search.look(trial, rung, value)
    if trial.is_pruned and run and standing and standing.status in ("queued", "running"):
        trials.prune(trial, run)


def _cancel(open_trials: Sequence[Trial], trials: Trials, poll_seconds: float) -> None:
    """Cancel the runs of all trials that are open, and wait until those have ended that can be told."""
    while under_way := [each for each in trials.standings(open_trials).values() if each.status in UNDER_WAY]:
        told = [each.status == "cancelling" or (each.run and each.run.cancel()) for each in under_way]
        if not any(told):
            return
        time.sleep(poll_seconds)


def _end_ended(search: Search, trials: Trials, found: Mapping[str, Standing]) -> None:
    """Keep how the trials ended, as far as all before them have ended too."""
    for trial in search.open:
        standing = found.get(trial.name)
        if standing and standing.status in UNDER_WAY:
            return
        if standing:
            _end(search, trial, trials, standing)
        else:
            _end_refused(search, trial)


def _end_refused(search: Search, trial: Trial) -> None:
    """Of values that do not fit together there is no run."""
    try:
        search.spec(trial)
    except Refused as refused:
        search.end(trial, "failed", why=f"refused: {refused}")


def _end(search: Search, trial: Trial, trials: Trials, standing: Standing) -> None:
    """Keep how the trial ended; of a trial that was pruned no value counts, however far its run came."""
    run = standing.run
    steps = trained(reports(RunDirectory(run.directory))) if run else 0
    seconds = (run.duration_seconds if run else None) or 0.0
    name = run.instance_name if run else ""
    if trial.is_pruned:
        search.end(trial, "pruned", agent_steps=steps, seconds=seconds, run=name)
        return
    value = trials.value(run) if run and standing.status == "succeeded" else None
    if value is not None:
        search.end(trial, "succeeded", value, agent_steps=steps, seconds=seconds, run=name)
        return
    why = f"reported no {search.sweep.metric}" if standing.status == "succeeded" else standing.status
    why = (run.error if run else None) or why
    search.end(trial, "failed", agent_steps=steps, seconds=seconds, why=why, run=name)
