"""The runs of a composition's phases: found again by what Dagster recorded of them, gone on with, made; no decision."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from assets.phase import PhaseOf
from axiom_dagster.compositions.definitions import assets_of, checks_of, job_name, job_of, keys_of
from axiom_dagster.experiment import execute
from axiom_dagster.resuming import STOPPED
from axiom_dagster.run_handle import RunHandle
from axiom_dagster.variants.standing import UNDER_WAY
from resources.manifest_store import INSTANCE_NAME_TAG, RESUME_TAG
from resources.matrix import EXPERIMENT_TAG, PHASE_TAG, ROUND_TAG, SPEC_HASH_TAG
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec
from trainer.contract.composition import Composition
from trainer.contract.processes import PROCESS_TAG, has_ended, this_process
from trainer.contract.resume import PARENT


@dataclass(frozen=True)
class PhaseRuns:
    """The runs of one composition on one Dagster instance; only one process at a time is at them."""

    composition: Composition
    instance: dg.DagsterInstance
    compute: Any

    def find(self, phase: str, number: int, spec: TrainAndEvalSpec) -> RunHandle | None:
        """The run that counts for a round of a phase with this spec: one that succeeded, else the newest.

        What a process that has died was at is recorded as cancelled. Raises `Refused` where one is still at it.
        """
        wanted = dg.RunsFilter(tags=self._tags(phase, number, spec))
        found = [RunHandle(run.run_id, self.instance) for run in self.instance.get_runs(filters=wanted)]
        for run in found:
            _end_if_dead(run)
        succeeded = [run for run in found if run.status == "succeeded" and _is_there(run)]
        begun = [run for run in found if run.status in STOPPED and RunDirectory(run.directory).spec_file.is_file()]
        return next(iter([*succeeded, *begun]), None)

    def run(self, phase: str, number: int, spec: TrainAndEvalSpec, stopped: RunHandle | None) -> RunHandle:
        """Run a round of a phase to its end, however it ends: what the run that `stopped` left, else a new one."""
        of, tags = PhaseOf(self.composition, phase), {**self._tags(phase, number, spec), PROCESS_TAG: this_process()}
        if stopped is not None:
            tags |= {INSTANCE_NAME_TAG: stopped.instance_name, RESUME_TAG: stopped.run_id}
        asked = {} if spec.resume_from is None else {PARENT: spec.resume_from.plain()}
        config = {"ops": {of.shape.key("train").to_python_identifier(): {"config": asked}}}
        with RunDirectory(stopped.directory).source_first() if stopped else nullcontext():
            return execute(self._job, config, self.compute, self.instance, tags, keys_of(of))

    def _tags(self, phase: str, number: int, spec: TrainAndEvalSpec) -> Mapping[str, str]:
        return {
            EXPERIMENT_TAG: self.composition.name,
            PHASE_TAG: phase,
            ROUND_TAG: str(number),
            SPEC_HASH_TAG: spec.spec_hash.removeprefix("sha256:"),
        }

    @cached_property
    def _job(self) -> dg.JobDefinition:
        # Here and not above: whoever only looks at a composition need not wait for the definitions.
        from axiom_dagster.definitions import defs

        own = dg.Definitions(
            assets=assets_of(self.composition),
            asset_checks=checks_of(self.composition),
            jobs=[job_of(self.composition)],
            resources=defs.resources,
            executor=dg.in_process_executor,
        )
        return own.resolve_job_def(job_name(self.composition))


def _end_if_dead(run: RunHandle) -> None:
    if run.status not in UNDER_WAY:
        return
    process = run.tags.get(PROCESS_TAG, "")
    if not process or not has_ended(process):
        where = f"process {process}" if process else "another process"
        why = f"is under way in {where}; wait for it, or cancel it (`axiom runs` shows it)"
        raise Refused.one("run", run.instance_name, why)
    run.cancel()


def _is_there(run: RunHandle) -> bool:
    """Whether its files are; one whose directory was deleted counts for nothing."""
    return RunDirectory(run.directory).manifest_file("analyze").is_file()
