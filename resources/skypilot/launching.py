"""The one job of a stage: found again if it is there, launched if it is not; never launched twice.

What is intended is written down before it is done. Whoever comes later looks for the job before launching it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.remote import JobState, Mode, RemoteJob, SkyPilot, SkyPilotError
from resources.skypilot.task import Task
from trainer.contract import Lease

SETTLE_SECONDS = 5.0
LAUNCH_SECONDS = 20.0


@dataclass(frozen=True)
class IntendedJob:
    """What would be launched, and for whom. `make_task` is called only if it is: it copies the code."""

    name: str
    mode: Mode
    cluster: str | None
    run_id: str
    retry_number: int
    make_task: Callable[[], tuple[Task, float | None]]

    def is_of(self, record: JobRecord) -> bool:
        """Whether this very try launched the job of the record."""
        return (record.run_id, record.retry_number) == (self.run_id, self.retry_number)

    def record(self, **more: Any) -> JobRecord:
        """A record of it, begun now."""
        return JobRecord(
            name=self.name,
            mode=self.mode,
            cluster=self.cluster,
            run_id=self.run_id,
            retry_number=self.retry_number,
            intended_at=datetime.now(UTC),
            **more,
        )


@dataclass(frozen=True)
class Launching:
    """Finds or launches one job; `settle_seconds` is how long a request that a killed process sent may take to show."""

    sky: SkyPilot
    folder: JobFolder
    lease: Lease
    say: Callable[[str], Any]
    settle_seconds: float = SETTLE_SECONDS

    def adopt_or_launch(self, wanted: IntendedJob) -> RemoteJob:
        """The job: the one that is there, unless it ended without success and this is a new try, else a new one.

        Raises `SkyPilotError` where SkyPilot could not launch it, with nothing left running, and `Superseded` where
        another watcher has come.
        """
        with self.folder.launching():
            self.lease.hold()
            found = self._found(wanted) or self._request(wanted)
        # Outside the lock: machines may be long in coming.
        job = self._launched(found) if isinstance(found, JobRecord) else found
        return self._noted(job, wanted)

    def _found(self, wanted: IntendedJob) -> RemoteJob | None:
        """The job to go on with; none: launch."""
        record = self.folder.read()
        if record is None:
            return _best(self.sky.find(wanted.name, wanted.mode, wanted.cluster), new_try=True)
        new_try = not wanted.is_of(record)
        if record.state == "requested" and (job := self._requested(record, new_try)):
            return _best([job], new_try)
        job = _best(self._look(record), new_try)
        if job is None and record.state == "intended":
            # The process that was about to send the request may have died right after it.
            time.sleep(self.settle_seconds)
            job = _best(self._look(record), new_try)
        return job

    def _requested(self, record: JobRecord, new_try: bool) -> RemoteJob | None:
        """The job of a request that was sent; none where it led to none and this is a new try."""
        try:
            return self._launched(record)
        except SkyPilotError:
            if not new_try:
                raise
            return None

    def _look(self, record: JobRecord) -> Iterator[RemoteJob]:
        """Every job of the record's name, those that are only requested too."""
        for request in self.sky.pending(name=record.name):
            yield self.sky.launched(request, record.name, record.mode, record.cluster)
        yield from self.sky.find(record.name, record.mode, record.cluster)

    def _request(self, wanted: IntendedJob) -> JobRecord:
        before = self.folder.read()
        task, price = wanted.make_task()
        launches = before.launches + 1 if before else 1
        record = wanted.record(state="intended", launches=launches, dollars_per_hour=price)
        self.folder.write(record)
        self.say(f"launching {wanted.name} {f'on cluster {wanted.cluster}' if wanted.cluster else 'as a managed job'}")
        request = self.sky.launch(task, wanted.name, wanted.mode, wanted.cluster)
        return self.folder.write(record, state="requested", request_id=request)

    def _launched(self, record: JobRecord) -> RemoteJob:
        try:
            return self.sky.launched(record.request_id or "", record.name, record.mode, record.cluster)
        except SkyPilotError:
            # SkyPilot does not take a cluster down whose launch failed.
            if record.cluster and _is_free(self.sky, record.cluster, but_for=record.name):
                self.sky.down(record.cluster)
            raise

    def _noted(self, job: RemoteJob, wanted: IntendedJob) -> RemoteJob:
        record = self.folder.read() or wanted.record(state="launched")
        self.folder.write(record, state="launched", job=job)
        return job


def _best(jobs: Iterator[RemoteJob] | Sequence[RemoteJob], new_try: bool) -> RemoteJob | None:
    """Of the jobs, the newest first: one that has not ended, else the newest; but none that failed for a new try."""
    found = list(jobs)
    alive = [job for job in found if not job.state.final]
    for job in alive or found[:1]:
        return None if new_try and job.state in (JobState.FAILED, JobState.CANCELLED) else job
    return None


def _is_free(sky: SkyPilot, cluster: str, but_for: str) -> bool:
    """Whether no job but those of the name `but_for` is on the cluster, or on its way to it."""
    others = [job for job in sky.jobs() if job.cluster == cluster and not job.state.final and job.name != but_for]
    return not others and set(sky.pending(cluster=cluster)) <= set(sky.pending(name=but_for))


def remove(
    sky: SkyPilot,
    record: JobRecord,
    poll_seconds: float,
    settle_seconds: float = SETTLE_SECONDS,
    launch_seconds: float = LAUNCH_SECONDS,
) -> None:
    """Cancel every job of the record's name and wait until none of them is left, and none is on its way.

    A launch on a cluster of ours is waited for `launch_seconds`, since one that has no machines yet may wait for hours;
    then the cluster goes, unless others use it.
    """
    # Each question takes seconds: what runs already is told first.
    for job in [record.job] if record.job else sky.find(record.name, record.mode, record.cluster):
        if not job.state.final:
            sky.cancel(job)
    if record.state == "intended":
        time.sleep(settle_seconds)
    end = time.monotonic() + launch_seconds
    while True:
        # In this order: a launch that ends in between has led to a job that is found.
        coming = sky.pending(name=record.name)
        alive = [job for job in sky.find(record.name, record.mode, record.cluster) if not job.state.final]
        for job in alive:
            sky.cancel(job)
        if not coming and not alive:
            return
        overdue = bool(coming) and not alive and time.monotonic() > end
        if overdue and record.cluster and _is_free(sky, record.cluster, but_for=record.name):
            sky.down(record.cluster)
        time.sleep(poll_seconds)
