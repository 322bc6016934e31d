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


@dataclass(frozen=True)
class Plan:
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


@dataclass(frozen=True)
class Launching:
    """Finds or launches one job; `settle_seconds` is how long a request that a killed process sent may take to show."""

    sky: SkyPilot
    folder: JobFolder
    lease: Lease
    say: Callable[[str], Any]
    settle_seconds: float = SETTLE_SECONDS

    def adopt_or_launch(self, plan: Plan) -> RemoteJob:
        """The job: the one that is there, unless it ended without success and this is a new try, else a new one.

        Raises `SkyPilotError` where SkyPilot could not launch it, with nothing left running, and `Superseded` where
        another watcher has come.
        """
        with self.folder.launching():
            self.lease.hold()
            job = self._found(plan)
            requested = None if job else self._request(plan)
        return self._noted(job or self._launched(requested), plan)

    def _found(self, plan: Plan) -> RemoteJob | None:
        """The job to go on with; none: launch."""
        record = self.folder.read()
        if record is None:
            return _best(self.sky.find(plan.name, plan.mode, plan.cluster), new_try=True)
        new_try = not plan.is_of(record)
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
        for request in self.sky.pending(record.name):
            yield self.sky.launched(request, record.name, record.mode, record.cluster)
        yield from self.sky.find(record.name, record.mode, record.cluster)

    def _request(self, plan: Plan) -> JobRecord:
        before = self.folder.read()
        task, price = plan.make_task()
        record = JobRecord(
            name=plan.name,
            mode=plan.mode,
            cluster=plan.cluster,
            state="intended",
            launches=before.launches + 1 if before else 1,
            run_id=plan.run_id,
            retry_number=plan.retry_number,
            intended_at=datetime.now(UTC),
            dollars_per_hour=price,
        )
        self.folder.write(record)
        self.say(f"launching {plan.name}" + (f" on cluster {plan.cluster}" if plan.cluster else " as a managed job"))
        request = self.sky.launch(task, plan.name, plan.mode, plan.cluster)
        return self.folder.write(record, state="requested", request_id=request)

    def _launched(self, record: JobRecord | None) -> RemoteJob:
        assert record is not None
        try:
            return self.sky.launched(record.request_id or "", record.name, record.mode, record.cluster)
        except SkyPilotError:
            if record.cluster:
                self._leave_nothing_on(record.cluster)
            raise

    def _leave_nothing_on(self, cluster: str) -> None:
        """SkyPilot does not take a cluster down whose launch failed; here it goes, unless it has other work."""
        busy = [job for job in self.sky.jobs() if job.cluster == cluster and not job.state.final]
        if not busy:
            self.sky.down(cluster)

    def _noted(self, job: RemoteJob, plan: Plan) -> RemoteJob:
        record = self.folder.read() or JobRecord(
            name=plan.name,
            mode=plan.mode,
            cluster=plan.cluster,
            state="launched",
            run_id=plan.run_id,
            retry_number=plan.retry_number,
            intended_at=datetime.now(UTC),
        )
        self.folder.write(record, state="launched", job=job)
        return job


def _best(jobs: Iterator[RemoteJob] | Sequence[RemoteJob], new_try: bool) -> RemoteJob | None:
    """Of the jobs, the newest first: one that has not ended, else the newest; but none that failed for a new try."""
    found = list(jobs)
    alive = [job for job in found if not job.state.final]
    for job in alive or found[:1]:
        return None if new_try and job.state in (JobState.FAILED, JobState.CANCELLED) else job
    return None


def remove(sky: SkyPilot, record: JobRecord, poll_seconds: float, settle_seconds: float = SETTLE_SECONDS) -> None:
    """Cancel every job of the record's name and wait until none of them is left; one on its way is waited for."""
    if record.state == "intended":
        time.sleep(settle_seconds)
    for request in sky.pending(record.name):
        try:
            sky.launched(request, record.name, record.mode, record.cluster)
        except SkyPilotError:
            continue
    while alive := [job for job in sky.find(record.name, record.mode, record.cluster) if not job.state.final]:
        for job in alive:
            sky.cancel(job)
        time.sleep(poll_seconds)
