"""Finds rented jobs that run on although nobody waits for them; it asks SkyPilot only where such a one is possible.

What is possible is told by the job records of this home's run directories. A job that another home has launched is
never cancelled: whether somebody waits for it cannot be known here.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from axiom_dagster.finding import Finding, Mended
from axiom_dagster.job_records import job_records
from resources.home import axiom_home
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.remote import JobState, RemoteJob, SkyPilot, SkyPilotError

RETRY_SECONDS = 600.0
FORGET_SECONDS = 3600.0


def orphaned_jobs(
    instance: dg.DagsterInstance,
    home: Path | None = None,
    sky: SkyPilot | None = None,
    *,
    retry_seconds: float = RETRY_SECONDS,
) -> Iterator[Mended]:
    """Jobs of this home that have not ended though their run has; mended, they are cancelled.

    A failed run's job is left for `retry_seconds`, in which a retry or `axiom run --resume` may take it up again.
    """
    for folder, record, name in _open_records(home or axiom_home()):
        idle = _seconds_without_owner(instance, name)
        if idle is None or idle < (retry_seconds if _has_failed(instance, name) else 0.0):
            continue
        if record.job is None and idle > FORGET_SECONDS:
            continue  # Its launch came to nothing: SkyPilot has been asked for an hour.
        sky = sky or _skypilot()
        yield from _examined(folder, record, name, sky)


def unknown_jobs(home: Path | None = None, sky: SkyPilot | None = None) -> Iterator[Finding]:
    """Jobs that have not ended and that no run directory of this home speaks of; they are named and left alone.

    Nothing is asked where no run of this home has ever rented anything.
    """
    home = home or axiom_home()
    known = {record.name for _, record, _ in job_records(home)}
    if not known:
        return
    from resources.skypilot.task import instance_name_of

    sky = sky or _skypilot()
    try:
        running = [job for job in sky.jobs() if not job.state.final and job.name not in known]
    except SkyPilotError as error:
        yield Finding("orphaned job", "unknown", None, "SkyPilot", f"could not be asked: {error.said}; {error.remedy}")
        return
    for job in running:
        remedy = f"left alone: launched from another home; if it is nobody's: axiom jobs cancel {job.name}"
        yield Finding("unknown job", instance_name_of(job.name), None, _words(job), remedy)


def _examined(folder: JobFolder, record: JobRecord, name: str, sky: SkyPilot) -> Iterator[Mended]:
    """The job as SkyPilot sees it now; one that has ended is written down, so that nobody asks again."""
    try:
        job = _now(record.job, record, sky) if record.job else _launched(record, sky)
    except SkyPilotError as error:
        remedy = f"could not be looked at: {error.said}; {error.remedy}"
        yield Finding("orphaned job", name, record.run_id, record.name, remedy), _nothing
        return
    if job is None:
        return
    if job.state.final:
        folder.write(record, job=job, state="launched")
        return
    finding = Finding("orphaned job", name, record.run_id, _words(job), "cancelled: its run has ended")
    yield finding, lambda job=job: sky.cancel(job)


def _now(job: RemoteJob, record: JobRecord, sky: SkyPilot) -> RemoteJob:
    """The job as it stands; one that went with its cluster, so that no name leads to it, counts as cancelled."""
    now = sky.status(job)
    if now.state is JobState.UNKNOWN and not sky.find(record.name, record.mode, record.cluster):
        return now.model_copy(update={"state": JobState.CANCELLED, "failure": "SkyPilot knows it no longer"})
    return now


def _launched(record: JobRecord, sky: SkyPilot) -> RemoteJob | None:
    """The job of a launch whose end nobody saw; none while it is under way, and where it came to nothing."""
    if sky.pending(name=record.name):
        return None
    return next(iter(sky.find(record.name, record.mode, record.cluster)), None)


def _open_records(home: Path) -> Iterator[tuple[JobFolder, JobRecord, str]]:
    for folder, record, name in job_records(home):
        if record.job is None or not record.job.state.final:
            yield folder, record, name


def _seconds_without_owner(instance: dg.DagsterInstance, name: str) -> float | None:
    """Since when no run works on this instance name; none while one does or is going to."""
    records = instance.get_run_records(filters=_of(name))
    if any(not record.dagster_run.is_finished for record in records):
        return None
    ends = [record.end_time or record.update_timestamp.timestamp() for record in records]
    return time.time() - max(ends) if ends else float("inf")


def _has_failed(instance: dg.DagsterInstance, name: str) -> bool:
    newest = next(iter(instance.get_runs(filters=_of(name), limit=1)), None)
    return newest is not None and newest.status is dg.DagsterRunStatus.FAILURE


def _of(name: str) -> dg.RunsFilter:
    tags: Mapping[str, str] = {INSTANCE_NAME_TAG: name}
    return dg.RunsFilter(tags=tags)


def _words(job: RemoteJob) -> str:
    return f"{job.name} ({job.mode} {job.job_id}, {job.state.value})"


def _skypilot() -> SkyPilot:
    # Definitions load this module, and few ticks of the sensor get here.
    from resources.skypilot.service import get_skypilot_service

    return get_skypilot_service().sky


def _nothing() -> None:
    """Where nothing can be done now."""
