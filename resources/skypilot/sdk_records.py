"""SkyPilot's records of jobs as `RemoteJob`: two kinds of record, one shape; it asks SkyPilot nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from resources.skypilot.remote import JobState, RemoteJob

Record = Mapping[str, Any]

# CANCELLING is still there, and may end in any final state: it counts as what it was.
_STATES = {
    "INIT": JobState.STARTING,
    "PENDING": JobState.PENDING,
    "SUBMITTED": JobState.STARTING,
    "STARTING": JobState.STARTING,
    "SETTING_UP": JobState.STARTING,
    "RUNNING": JobState.RUNNING,
    "WINDING_DOWN": JobState.RUNNING,
    "CANCELLING": JobState.RUNNING,
    "RECOVERING": JobState.RECOVERING,
    "SUCCEEDED": JobState.SUCCEEDED,
    "CANCELLED": JobState.CANCELLED,
}

# What SkyPilot's documentation says of each; a cluster's job has no other words for its failure.
_FAILURES = {
    "FAILED": "the job's own command ended with an error; its log says which",
    "FAILED_SETUP": "the setup commands failed; the log says which",
    "FAILED_DRIVER": "the process that drives the job on the cluster ended before the job did (often: no memory left)",
    "FAILED_PRECHECKS": "SkyPilot refused the task before it asked for machines",
    "FAILED_NO_RESOURCE": "no infrastructure has the machines that the task asks for",
    "FAILED_CONTROLLER": "the controller of managed jobs failed",
}


def state_of(status: Any) -> JobState:
    """SkyPilot's status, of either kind, as ours; a status that this version does not know is `unknown`."""
    word = getattr(status, "value", status)
    if isinstance(word, str) and word.startswith("FAILED"):
        return JobState.FAILED
    return _STATES.get(str(word), JobState.UNKNOWN)


def managed_job(record: Record, dashboard: str) -> RemoteJob:
    """A record of `sky.jobs.queue_v2`; `dashboard` is the address of SkyPilot's dashboard."""
    return RemoteJob(
        job_id=record["job_id"],
        name=record["job_name"],
        mode="managed",
        cluster=record.get("current_cluster_name"),
        state=state_of(record["status"]),
        resources=_first(record, "cluster_resources_full", "cluster_resources", "resources"),
        dashboard=f"{dashboard}/jobs/{record['job_id']}",
        submitted_at=_moment(record.get("submitted_at")),
        started_at=_moment(record.get("start_at")),
        ended_at=_moment(record.get("end_at")),
        recoveries=record.get("recovery_count") or 0,
        failure=_failure(record),
    )


def cluster_job(record: Record, cluster: str, dashboard: str) -> RemoteJob:
    """A record of `sky.queue` of this cluster."""
    return RemoteJob(
        job_id=record["job_id"],
        name=record["job_name"],
        mode="cluster",
        cluster=cluster,
        state=state_of(record["status"]),
        resources=_first(record, "resources"),
        dashboard=f"{dashboard}/clusters/{cluster}/{record['job_id']}",
        submitted_at=_moment(record.get("submitted_at")),
        started_at=_moment(record.get("start_at")),
        ended_at=_moment(record.get("end_at")),
        failure=_failure(record),
    )


def without_cluster(job: RemoteJob) -> RemoteJob:
    """A job whose cluster SkyPilot does not know any more: it can never run again."""
    if job.state.final:
        return job
    failure = f"its cluster {job.cluster} is gone: removed, or preempted, before the job had ended"
    return job.model_copy(update={"state": JobState.FAILED, "failure": failure})


def _failure(record: Record) -> str | None:
    if state_of(record["status"]) is not JobState.FAILED:
        return None
    word = str(getattr(record["status"], "value", record["status"]))
    said = record.get("failure_reason") or _FAILURES.get(word, "SkyPilot gives no reason")
    return f"{word}: {said}"


def _first(record: Record, *keys: str) -> str:
    return next((str(record[key]) for key in keys if record.get(key) not in (None, "", "-")), "")


def _moment(seconds: float | None) -> datetime | None:
    """Seconds since the epoch; SkyPilot writes none, 0 or a negative number for what has not happened."""
    return datetime.fromtimestamp(seconds, UTC) if seconds and seconds > 0 else None
