"""An experiment of many runs from its declaration to its end: checked, put into the queue, watched, cancelled.

Nothing is kept in this process: whoever declares the same experiment again goes on with it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import dagster as dg

from axiom_dagster.beginning import check_beginning
from axiom_dagster.preflight import check_spec
from axiom_dagster.recipes.configs import named_now
from axiom_dagster.variants.dequeuing import Dequeuing
from axiom_dagster.variants.launching import put_into_queue
from axiom_dagster.variants.standing import UNDER_WAY, Standing, standings, unknown_standings
from axiom_dagster.working_directory import working_directory_importable
from resources.compute import compute_run_config
from resources.declarations import Declaration
from resources.home import axiom_home, dagster_instance
from resources.in_process_compute import InProcessCompute
from resources.local_compute import LocalCompute
from resources.skypilot.compute import SkyPilotCompute
from trainer.algorithm.overrides import FUNCTION
from trainer.contract import Refused, TrainAndEvalSpec, Variants, digest_of

POLL_SECONDS = 1.0
Placed = LocalCompute | InProcessCompute | SkyPilotCompute
Watch = Callable[[Sequence[Standing]], None]


def unwatched(_: Sequence[Standing]) -> None:
    """Where nobody looks."""


class VariantsExperiment:
    """Variants × seeds on the Dagster instance that the UI shows, each a run of its own in the queue."""

    def __init__(self, variants: Variants | Declaration) -> None:
        """A `Declaration` is of runs that no `Variants` gave, such as a recipe's jobs."""
        of_variants = isinstance(variants, Variants)
        self.declaration = Declaration(variants.name, variants.runs(), variants) if of_variants else variants
        self._instance: dg.DagsterInstance | None = None
        self._is_checked = False

    @property
    def instance(self) -> dg.DagsterInstance:
        """The home's Dagster instance."""
        self._instance = self._instance or dagster_instance()
        return self._instance

    def prepare(self) -> Self:
        """Refuse all that can be refused before a run exists; what the variants share is asked once."""
        if self._is_checked:
            return self
        with working_directory_importable():
            for spec in _unlike(run.spec for run in self.declaration.runs):
                refuse_functions(spec)
                check_spec(spec)
                check_beginning(spec, {})
        self._is_checked = True
        return self

    def standings(self) -> list[Standing]:
        """How far every run is now. In a home that nobody has used nothing has run; it is not made for the question."""
        used = (axiom_home() / "dagster").exists()
        return standings(self.declaration, self.instance) if used else unknown_standings(self.declaration)

    def launch(
        self,
        *,
        compute: Placed | None = None,
        computes: Mapping[str, Placed] = MappingProxyType({}),
        launch: str | None = None,
        told: Callable[[Standing], None] = lambda standing: None,
    ) -> int:
        """Put into the queue whatever is missing, failed or was cancelled; returns how many. Raises `Refused`.

        `compute` says where runs compute (none: processes of their own on the machine that runs them), `computes`
        where those of certain variants do. `launch` is a tag of them all. `told` hears of each that was queued.
        """
        self.prepare()
        configs = {
            run.variant: compute_run_config(computes.get(run.variant, compute or LocalCompute()))
            for run in self.declaration.runs
        }
        with working_directory_importable():
            name = launch or named_now(self.declaration.name)
            return put_into_queue(
                self.declaration, self.instance, axiom_home(), launch=name, run_configs=configs, told=told
            )

    def run(self, watch: Watch = unwatched, *, poll_seconds: float = POLL_SECONDS, **launch: Any) -> list[Standing]:
        """Launch what is missing and wait until no run is under way; returns how they all ended. Raises `Refused`.

        `watch` is shown all runs now and then; `launch` is what `launch` takes. Where no daemon takes runs out of the
        queue, a process of our own does while this waits. An interrupt cancels the runs that have not ended; where
        this process is killed, those that are under way end, and the others wait in the queue.
        """
        self.prepare()
        queue = Dequeuing(self.instance)
        try:
            queue.ensure()
            try:
                self.launch(**launch)
                return self._wait(queue, watch, poll_seconds)
            except KeyboardInterrupt:
                return self._wait(queue, watch, poll_seconds, cancelling=True)
        finally:
            queue.end()

    def _wait(self, queue: Dequeuing, watch: Watch, poll_seconds: float, *, cancelling: bool = False) -> list[Standing]:
        while True:
            if cancelling:
                self.cancel()
            found = self.standings()
            watch(found)
            if not any(each.status in UNDER_WAY for each in found if not each.created):
                return found
            queue.ensure()
            time.sleep(poll_seconds)

    def cancel(self) -> int:
        """Cancel every run that is under way, those in the queue first; returns how many were told."""
        runs = [(each.status, each.run) for each in self.standings() if each.run and not each.created]
        waiting, running = ([run for status, run in runs if status == wanted] for wanted in ("queued", "running"))
        return sum(run.cancel() for run in (*waiting, *running))


def _unlike(specs: Iterable[TrainAndEvalSpec]) -> Iterable[TrainAndEvalSpec]:
    """Of specs that name the same environments, overrides and beginning, one."""
    parts = {"trainer": {"curriculum"}, "eval_configs": True, "overrides": True, "resume_from": True}
    return {digest_of(spec.model_dump(mode="json", include=parts)): spec for spec in specs}.values()


def refuse_functions(spec: TrainAndEvalSpec) -> None:
    """Refuse overrides that only one process has."""
    for path, choice in spec.overrides.items():
        if FUNCTION in choice:
            why = "is a function that exists in this process only; put it into a module that can be imported"
            raise Refused.one(f"overrides.{path}", choice[FUNCTION], why)
