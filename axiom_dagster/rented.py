"""Which rented job is which run's, and what it has cost: job records and runs put together; it launches nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from axiom_dagster.job_records import job_records
from axiom_dagster.run_handle import RunHandle
from resources.compute import Compute
from resources.local_compute import LocalCompute
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.skypilot.compute import RentedCompute, SkyPilotCompute
from resources.skypilot.costs import accrued_dollars
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.pipes_client import PipesSkyPilotClient
from resources.skypilot.remote import RemoteJob, SkyPilot
from resources.skypilot.service import JobRow, SkyPilotService
from resources.skypilot.task import instance_name_of
from trainer.contract import Refused


@dataclass(frozen=True)
class OwnedJob:
    """A job with its run, none if no run of this home is the owner, and its cost, none if its price is not known."""

    row: JobRow
    run_id: str | None
    run_status: str | None
    dollars: float | None

    def plain(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {**self.row.plain(), "run_id": self.run_id, "run_status": self.run_status, "dollars": self.dollars}


def rented_compute(config: SkypilotJobConfig, sky: SkyPilot | None = None) -> Compute:
    """The compute that trains on what the config rents, by this machine's SkyPilot or by the one that is given."""
    if sky is None:
        return SkyPilotCompute(**config.plain())
    return RentedCompute(PipesSkyPilotClient(sky, config), LocalCompute())


def owned_jobs(service: SkyPilotService, instance: dg.DagsterInstance, home: Path | None = None) -> list[OwnedJob]:
    """Every job of ours that SkyPilot knows, the newest first, with its owner and its cost so far."""
    prices = {record.name: record.dollars_per_hour for _, record, _ in job_records(home)}
    return [_owned(job, prices.get(job.name), instance) for job in service.sky.jobs()]


def run_of_job(job: str | int, instance: dg.DagsterInstance | None = None, home: Path | None = None) -> RunHandle:
    """The run of a job, by the job's name or SkyPilot's id, or by the run's own name or id.

    The records of this home tell it: SkyPilot is not asked, and need not know the job any longer. Raises `Refused`
    where there is no such run, and where several jobs have the id.
    """
    wanted = str(job)
    named = [name for _, record, name in job_records(home) if record.job and str(record.job.job_id) == wanted]
    if len(set(named)) > 1:
        raise Refused.one("job", job, f"is the id of several jobs; give the run's name: {', '.join(sorted(named))}")
    return RunHandle.of(named[0] if named else instance_name_of(wanted), instance)


def _owned(job: RemoteJob, price: float | None, instance: dg.DagsterInstance) -> OwnedJob:
    owner = dg.RunsFilter(tags={INSTANCE_NAME_TAG: instance_name_of(job.name)})
    run = next(iter(instance.get_runs(filters=owner, limit=1)), None)
    handle = RunHandle(run.run_id, instance) if run else None
    return OwnedJob(
        row=JobRow.of(job),
        run_id=handle.run_id if handle else None,
        run_status=handle.status if handle else None,
        dollars=accrued_dollars(job, price),
    )
