"""The seam to SkyPilot: what is asked of it, and what it answers, in plain data; it never says how it is asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from trainer.plain.model import FrozenModel

OURS = "axiom-"

Mode = Literal["managed", "cluster"]


class JobState(StrEnum):
    """Where a remote job stands; `unknown` is what SkyPilot could not say at the moment, and is not final."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    RECOVERING = "recovering"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether the job can never run again."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class RemoteJob(FrozenModel):
    """A job as SkyPilot knows it."""

    job_id: int = Field(description="SkyPilot's number: of the managed job, or of the job on its cluster.")
    name: str = Field(description="Our own id: `axiom-<instance name>-<stage>`.")
    mode: Mode = Field(description="A managed job, or a job on a named cluster.")
    cluster: str | None = Field(default=None, description="The cluster it runs on, as far as it is known.")
    state: JobState = Field(description="Where it stands.")
    resources: str = Field(default="", description="What it runs on, in SkyPilot's words.")
    dashboard: str | None = Field(default=None, description="Where SkyPilot's dashboard shows it.")
    submitted_at: datetime | None = Field(default=None, description="When SkyPilot took it (UTC).")
    started_at: datetime | None = Field(default=None, description="When it first ran (UTC).")
    ended_at: datetime | None = Field(default=None, description="When it ended (UTC).")
    recoveries: int = Field(default=0, description="How often it went on elsewhere after a preemption.")
    failure: str | None = Field(default=None, description="Why it failed, in SkyPilot's words.")


class Offer(FrozenModel):
    """Resources that a task could run on."""

    infra: str = Field(description="Cloud, region and zone as SkyPilot writes them: `aws/us-east-1`.")
    resources: str = Field(description="Instance type and accelerators, in SkyPilot's words.")
    nodes: int = Field(description="How many machines.")
    dollars_per_hour: float | None = Field(description="For all nodes together; none where the catalog has no price.")


class LogRequest(FrozenModel):
    """An HTTP request whose response is the job's log from its first line, and goes on for as long as the job does."""

    url: str = Field(description="Of SkyPilot's API server.")
    headers: dict[str, str] = Field(description="With credentials where the server asks for some: never logged.")
    body: dict[str, Any] = Field(description="Sent as JSON.")


class SkyPilotError(RuntimeError):
    """SkyPilot did not do what was asked: `said` is its own words, `remedy` what to do."""

    def __init__(self, asked: str, said: str, remedy: str) -> None:
        super().__init__(f"{asked}: SkyPilot said: {said}\n{remedy}")
        self.asked, self.said, self.remedy = asked, said, remedy


class SkyPilot(Protocol):
    """All that this system asks of SkyPilot. Every call raises `SkyPilotError`; none waits for a job to end."""

    def launch(self, task: Mapping[str, Any], name: str, mode: Mode, cluster: str | None = None) -> str:
        """Ask for a job; returns the id of the request as soon as the API server has it.

        `cluster` is the name of the cluster in mode `cluster`; it is used again where it is up.
        """
        ...

    def launched(self, request_id: str, name: str, mode: Mode, cluster: str | None = None) -> RemoteJob:
        """The job that a launch request led to; waits until the request has ended."""
        ...

    def pending(self, *, name: str | None = None, cluster: str | None = None) -> Sequence[str]:
        """The launch requests that have not ended, for a job of this name, or on this cluster, or both."""
        ...

    def find(self, name: str, mode: Mode, cluster: str | None = None) -> Sequence[RemoteJob]:
        """Every job of this name, the newest first; none where there is no such cluster."""
        ...

    def jobs(self) -> Sequence[RemoteJob]:
        """Every job of ours, managed and on clusters, the newest first."""
        ...

    def status(self, job: RemoteJob) -> RemoteJob:
        """The job as it stands now; state `unknown` where SkyPilot cannot say."""
        ...

    def cancel(self, job: RemoteJob) -> None:
        """Ask for the job's end; nothing happens to one that has ended."""
        ...

    def down(self, cluster: str) -> None:
        """Remove a cluster, all that runs on it and all requests that wait for it; nothing happens without one."""
        ...

    def log_request(self, job: RemoteJob) -> LogRequest:
        """How to read the job's log."""
        ...

    def offers(self, task: Mapping[str, Any]) -> Sequence[Offer]:
        """Resources that could run the task, the cheapest first; empty where SkyPilot finds none."""
        ...

    def enabled_infra(self) -> Sequence[str]:
        """The infrastructure that this machine may use (`sky check`)."""
        ...

    def fetch(self, job: RemoteJob, remote: str, local: Path) -> None:
        """Copy the content of a folder from the (first) machine of the job's cluster."""
        ...
