"""A composition from its declaration to its end: phase after phase, each kept, run, gone on with or skipped.

Nothing is kept in this process: whoever runs the same composition again finds what was done in Dagster's records, and
decides the same from the same manifests.
"""

import fcntl
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self

import dagster as dg

from axiom_dagster.beginning import check_beginning
from axiom_dagster.compositions.phases import PhaseRuns
from axiom_dagster.overriding import AnyCompute
from axiom_dagster.preflight import check_spec
from axiom_dagster.run_handle import RunHandle
from axiom_dagster.variants.experiment import refuse_functions
from axiom_dagster.working_directory import working_directory_importable
from resources.compositions import declare
from resources.declarations import FOLDER
from resources.home import axiom_home, dagster_instance
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec
from trainer.contract.composition import Composition
from trainer.contract.composition_course import is_last_round, origin, why_skipped
from trainer.contract.measured import measured

What = Literal["ran", "kept", "skipped", "failed", "cancelled"]


@dataclass(frozen=True)
class Outcome:
    """What became of one round of a phase; `why` says it where it did not simply run."""

    phase: str
    round: int
    what: What
    run: RunHandle | None = None
    why: str = ""

    @property
    def stands(self) -> bool:
        """Whether there is a whole run of it."""
        return self.what in ("ran", "kept")

    @property
    def began_with(self) -> str | None:
        """Instance name of the run whose checkpoint it began with."""
        if self.run is None or not RunDirectory(self.run.directory).manifest_file("train").is_file():
            return None
        asked = self.run.read("train").spec["resume_from"]
        return asked["run"] if asked else None

    def plain(self) -> dict[str, Any]:
        """The same as JSON types."""
        run = self.run
        return {
            "phase": self.phase,
            "round": self.round,
            "outcome": self.what,
            "why": self.why,
            "run_id": run.run_id if run else None,
            "instance_name": run.instance_name if run else None,
            "reward": measured("evaluation/reward", RunDirectory(run.directory)) if run and self.stands else None,
            "began_with": self.began_with,
        }


Told = Callable[[Outcome], None]


class CompositeExperiment:
    """Phases of training on the Dagster instance that the UI shows, each a run of its own, in this process."""

    def __init__(self, composition: Composition, instance: dg.DagsterInstance | None = None) -> None:
        """`instance` is where the runs are recorded; none: the home's."""
        self.composition, self._instance = composition, instance

    @property
    def instance(self) -> dg.DagsterInstance:
        """The Dagster instance."""
        self._instance = self._instance or dagster_instance()
        return self._instance

    def prepare(self) -> Self:
        """Refuse all that can be refused before a run exists, in whatever phase it is."""
        with working_directory_importable():
            for spec in self.composition.specs.values():
                refuse_functions(spec)
                check_spec(spec)
                check_beginning(spec, {})
        return self

    def run(self, *, compute: AnyCompute | None = None, told: Told = lambda outcome: None) -> list[Outcome]:
        """Run what is missing, phase after phase; returns what became of each round, in order. Raises `Refused`.

        What has succeeded with the same spec and the same beginning is kept; what failed or was interrupted is gone on
        with in its own directory. The first round that fails or is cancelled is the last of the list. `told` hears of
        each. `compute` says where phases train and are evaluated; none: processes of their own on this machine.
        """
        self.prepare()
        outcomes: list[Outcome] = []
        with self._alone(), working_directory_importable():
            declare(axiom_home(), self.composition)
            for outcome in _Course(self.composition, PhaseRuns(self.composition, self.instance, compute)).outcomes():
                outcomes.append(outcome)
                told(outcome)
        return outcomes

    @contextmanager
    def _alone(self) -> Generator[None]:
        """While the block runs, no other process runs this composition; the lock ends with the process."""
        file = axiom_home() / FOLDER / self.composition.name / ".running"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                why = "another process is at this composition; wait for it, or end it"
                raise Refused.one("composition", self.composition.name, why) from None
            yield


@dataclass(frozen=True)
class _Course:
    """One walk through the phases."""

    composition: Composition
    runs: PhaseRuns

    def outcomes(self) -> Iterator[Outcome]:
        """What becomes of each round, as it does."""
        last: dict[str, RunHandle] = {}
        for name, phase in self.composition.phases.items():
            if why := why_skipped(phase, list(last), lambda of, metric: _reached(last[of], metric)):
                yield Outcome(name, 1, "skipped", why=why)
                continue
            parent = last[earlier] if (earlier := origin(phase, list(last))) else None
            for outcome in self._rounds(name, parent):
                yield outcome
                if outcome.run is None or not outcome.stands:
                    return
                last[name] = outcome.run

    def _rounds(self, name: str, parent: RunHandle | None) -> Iterator[Outcome]:
        phase = self.composition.phases[name]
        for number in range(1, phase.rounds + 1):
            outcome = self._round(name, number, parent)
            yield outcome
            parent = run = outcome.run
            if run is None or not outcome.stands:
                return
            if is_last_round(name, phase, number, lambda _, metric, run=run: _reached(run, metric)):
                return

    def _round(self, name: str, number: int, parent: RunHandle | None) -> Outcome:
        spec = self._spec(name, parent)
        found = self.runs.find(name, number, spec)
        if found is not None and found.status == "succeeded":
            return Outcome(name, number, "kept", found, "has succeeded before with this spec")
        run = self.runs.run(name, number, spec, found)
        if run.status == "succeeded":
            return Outcome(name, number, "ran", run, "gone on with after it stopped" if found else "")
        return Outcome(name, number, "cancelled" if run.status == "cancelled" else "failed", run, run.error or "")

    def _spec(self, name: str, parent: RunHandle | None) -> TrainAndEvalSpec:
        if parent is None:
            return self.composition.specs[name]
        return self.composition.begun(name, RunDirectory(parent.directory), parent.read("train").checkpoint)


def _reached(run: RunHandle, metric: str) -> float | None:
    return measured(metric, RunDirectory(run.directory))
