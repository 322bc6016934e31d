"""Jobs as people and analysis ask for them: by id or by name, as rows and tables; it keeps nothing of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from resources.skypilot.log_view import shown_lines
from resources.skypilot.remote import OURS, JobState, Mode, RemoteJob, SkyPilot
from resources.skypilot.task import Task, instance_name_of
from trainer.contract import Refused, nearest


@dataclass(frozen=True)
class JobRow:
    """One job in a list; `started_at` and `ended_at` are UTC."""

    job_id: int
    name: str
    instance_name: str
    mode: str
    state: str
    cluster: str | None
    resources: str
    started_at: datetime | None
    ended_at: datetime | None
    recoveries: int

    @classmethod
    def of(cls, job: RemoteJob) -> "JobRow":
        """The row of a job."""
        return cls(
            job_id=job.job_id,
            name=job.name,
            instance_name=instance_name_of(job.name),
            mode=job.mode,
            state=job.state.value,
            cluster=job.cluster,
            resources=job.resources,
            started_at=job.started_at,
            ended_at=job.ended_at,
            recoveries=job.recoveries,
        )

    def plain(self) -> dict[str, Any]:
        """The same as JSON types."""
        times = {name: time.isoformat() for name in ("started_at", "ended_at") if (time := getattr(self, name))}
        return {**asdict(self), "started_at": None, "ended_at": None, **times}


@dataclass(frozen=True)
class JobList:
    """Jobs, the newest first."""

    rows: tuple[JobRow, ...]

    def __iter__(self) -> Iterator[JobRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def table(self) -> str:
        """For people: one line a job, in columns."""
        columns = ("job_id", "name", "mode", "state", "resources", "started_at")
        lines = [columns, *(tuple(_cell(getattr(row, column)) for column in columns) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


class SkyPilotService:
    """All jobs of ours on SkyPilot. Calls raise `Refused` for a job that is not there, else `SkyPilotError`."""

    def __init__(self, sky: SkyPilot) -> None:
        self.sky = sky

    def list_jobs(self) -> JobList:
        """Every job of ours that SkyPilot knows."""
        return JobList(tuple(JobRow.of(job) for job in self.sky.jobs()))

    def job(self, job: str | int) -> RemoteJob:
        """The newest job with this name, instance name or id.

        Ids are counted for each cluster and for managed jobs anew: one that several jobs have is refused.
        """
        known, wanted = list(self.sky.jobs()), str(job)
        named = [each for each in known if wanted in (each.name, instance_name_of(each.name))]
        numbered = [each for each in known if wanted == str(each.job_id)]
        if not named and len(numbered) > 1:
            whose = ", ".join(each.name for each in numbered)
            raise Refused.one("job", job, f"is the id of several jobs; give the name of one: {whose}")
        for found in named or numbered:
            return found
        raise Refused.one("job", job, f"SkyPilot knows no such job of ours; {nearest(wanted, (e.name for e in known))}")

    def get_job_status(self, job: str | int) -> JobState:
        """Where the job stands now."""
        return self.sky.status(self.job(job)).state

    def get_wandb_run_name_from_sky_job(self, job: str | int) -> str:
        """The name of the job's W&B run: the instance name of the run that it belongs to.

        A job's name tells it, whether SkyPilot still knows the job or not; an id is looked up.
        """
        wanted = str(job)
        return instance_name_of(wanted if wanted.startswith(OURS) else self.job(job).name)

    def launch(self, task: Task | Mapping[str, Any], cluster: str | None = None) -> RemoteJob:
        """The job of the task's name: the one that is there and has not ended, else a new one; waits for its start.

        `cluster` names the cluster that it runs on; none: a managed job. A run launches its job by itself; this is for
        a task of one's own, whose name begins with `axiom-`.
        """
        name = str(task.get("name", ""))
        mode: Mode = "cluster" if cluster else "managed"
        if not name.startswith(OURS):
            raise Refused.one("task.name", name, f"begins with {OURS!r}, else nobody would find the job again")
        for request in self.sky.pending(name=name):
            return self.sky.launched(request, name, mode, cluster)
        for job in self.sky.find(name, mode, cluster):
            if not job.state.final:
                return job
        return self.sky.launched(self.sky.launch(task, name, mode, cluster), name, mode, cluster)

    def cancel(self, job: str | int) -> RemoteJob:
        """Ask for the job's end; nothing happens to one that has ended."""
        found = self.job(job)
        if not found.state.final:
            self.sky.cancel(found)
        return self.sky.status(found)

    def logs(self, job: str | int, *, follow: bool = True) -> Iterator[str]:
        """The lines of the job's log, and of its messages the log lines; until the job ends, or what there is now."""
        return shown_lines(self.sky.log_request(self.job(job)), follow=follow)

    def previous_job_ids(self, experiment: str = "") -> tuple[str, ...]:
        """The names of the jobs that have ended, the newest first, of runs whose names begin with `experiment`."""
        rows = (row for row in self.list_jobs() if JobState(row.state).final)
        return tuple(dict.fromkeys(row.name for row in rows if row.instance_name.startswith(experiment)))


def get_skypilot_service(sky: SkyPilot | None = None) -> SkyPilotService:
    """The service on this machine's SkyPilot, or on the one that is given."""
    from resources.skypilot.sdk_client import SdkSkyPilot

    return SkyPilotService(sky or SdkSkyPilot())


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "-" if value in (None, "") else str(value)
