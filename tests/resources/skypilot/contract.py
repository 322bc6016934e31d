"""What every `SkyPilot` promises, the real one and the fake: functions over the same three jobs; it patches nothing.

A test launches the jobs once for each mode and hands them to each promise.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.skypilot.remote import JobState, Mode, RemoteJob, SkyPilot

LINES = [f"line {number} of the job" for number in range(5)]
SECRET = "not-for-the-log-0123456789"
SCRIPTS = {
    "good": "\n".join(
        [*(f"echo '{line}'" for line in LINES), 'echo "setting=$SETTING secret=${#TOKEN} mounted=$(cat ~/m)"']
    ),
    "bad": "echo it begins; exit 3",
    "long": "echo it begins; sleep 1000",
}


@dataclass(frozen=True)
class Jobs:
    """A job that ends well, one that fails and one that is cancelled, all launched, the first two ended."""

    mode: Mode
    cluster: str | None
    good: RemoteJob
    bad: RemoteJob
    long: RemoteJob
    seen: Mapping[str, bool]


@dataclass(frozen=True)
class Place:
    """Where an implementation launches, and how patient one must be with it."""

    sky: SkyPilot
    folder: Path
    tag: str
    resources: Mapping[str, Any]
    seconds: float
    look_every_seconds: float

    def name(self, kind: str) -> str:
        """Of a job of this session; no job of an earlier one has it."""
        return f"axiom-contract-{kind}-{self.tag}-train"

    def names(self) -> list[str]:
        """Of the three jobs."""
        return [self.name(kind) for kind in SCRIPTS]

    def task(self, name: str, run: str, setup: str = "true") -> dict[str, Any]:
        """A task with all that our own tasks have."""
        workdir, mounted = self.folder / "workdir", self.folder / "mounted"
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "of-the-workdir").write_text("here")
        mounted.write_text("travelled")
        return {
            "name": name,
            "num_nodes": 1,
            "workdir": str(workdir),
            "resources": dict(self.resources),
            "envs": {"SETTING": "given"},
            "secrets": {"TOKEN": SECRET},
            "file_mounts": {"~/m": str(mounted)},
            "setup": setup,
            "run": run,
        }

    def launch_all(self, mode: Mode, cluster: str | None) -> Jobs:
        """Launch the three, and wait until each is where its promises begin."""
        requests: dict[str, str] = {}
        seen: dict[str, bool] = {}
        for kind, run in SCRIPTS.items():
            name = self.name(kind)
            requests[kind] = self.sky.launch(self.task(name, run), name, mode, cluster)
            seen[kind] = bool(self.sky.pending(name=name) or self.sky.find(name, mode, cluster))
        jobs = {kind: self.sky.launched(request, self.name(kind), mode, cluster) for kind, request in requests.items()}
        good, bad = (self.wait(jobs[kind], lambda job: job.state.final) for kind in ("good", "bad"))
        return Jobs(mode, cluster, good, bad, jobs["long"], seen)

    def wait(self, job: RemoteJob, reached: Callable[[RemoteJob], bool]) -> RemoteJob:
        """The job as it stands when it has come there."""
        end = time.monotonic() + self.seconds
        while not reached(now := self.sky.status(job)):
            assert time.monotonic() < end, f"not reached within {self.seconds} s: {now}"
            time.sleep(self.look_every_seconds)
        return now


def a_launch_can_be_seen_at_once(place: Place, jobs: Jobs) -> None:
    assert all(jobs.seen.values()), jobs.seen


def nothing_is_pending_once_the_job_is_there(place: Place, jobs: Jobs) -> None:
    assert [request for kind in ("good", "long") for request in place.sky.pending(name=place.name(kind))] == []


def a_job_that_ends_well_has_succeeded_and_says_when(place: Place, jobs: Jobs) -> None:
    job = jobs.good
    assert (job.name, job.mode, job.state, job.failure) == (place.name("good"), jobs.mode, JobState.SUCCEEDED, None)
    assert job.started_at is not None and job.ended_at is not None and job.started_at <= job.ended_at
    assert jobs.mode == "managed" or job.cluster == jobs.cluster


def a_job_that_fails_has_failed_and_says_why(place: Place, jobs: Jobs) -> None:
    assert jobs.bad.state is JobState.FAILED and jobs.bad.state.final
    assert jobs.bad.failure


def a_job_is_found_by_its_name_and_by_no_other(place: Place, jobs: Jobs) -> None:
    assert [job.job_id for job in place.sky.find(place.name("good"), jobs.mode, jobs.cluster)] == [jobs.good.job_id]
    assert list(place.sky.find(place.name("nobody"), jobs.mode, jobs.cluster)) == []


def all_of_ours_are_listed_the_newest_first(place: Place, jobs: Jobs) -> None:
    listed = [job for job in place.sky.jobs() if job.mode == jobs.mode and job.name in place.names()]
    times = [job.submitted_at for job in listed if job.submitted_at is not None]
    assert sorted(job.job_id for job in listed) == sorted(job.job_id for job in (jobs.good, jobs.bad, jobs.long))
    assert len(times) == len(listed) and times == sorted(times, reverse=True)


def the_log_holds_every_line_in_its_order_and_ends_with_the_job(place: Place, jobs: Jobs) -> None:
    text = log_of(place, jobs.good)
    assert [line for line in LINES if line in text] == LINES
    assert sorted(text.index(line) for line in LINES) == [text.index(line) for line in LINES]
    assert SECRET not in text and f"setting=given secret={len(SECRET)} mounted=travelled" in text


def no_secret_stands_in_the_request_for_the_log(place: Place, jobs: Jobs) -> None:
    assert SECRET not in place.sky.log_request(jobs.good).model_dump_json()


def a_cancelled_job_is_cancelled_and_to_ask_again_changes_nothing(place: Place, jobs: Jobs) -> None:
    place.sky.cancel(jobs.long)
    ended = place.wait(jobs.long, lambda job: job.state.final)
    assert ended.state is JobState.CANCELLED
    for job in (jobs.long, jobs.good):
        place.sky.cancel(job)
    assert place.sky.status(jobs.long).state is JobState.CANCELLED
    assert place.sky.status(jobs.good).state is JobState.SUCCEEDED


def log_of(place: Place, job: RemoteJob) -> str:
    """The whole log of a job that has ended, as the waiting step reads it: one HTTP response."""
    asked = place.sky.log_request(job)
    headers = {**asked.headers, "Content-Type": "application/json"}
    request = urllib.request.Request(asked.url, json.dumps(asked.body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=place.seconds) as response:
        return response.read().decode("utf-8", errors="replace")


PROMISES: tuple[Callable[[Place, Jobs], None], ...] = (
    a_launch_can_be_seen_at_once,
    nothing_is_pending_once_the_job_is_there,
    a_job_that_ends_well_has_succeeded_and_says_when,
    a_job_that_fails_has_failed_and_says_why,
    a_job_is_found_by_its_name_and_by_no_other,
    all_of_ours_are_listed_the_newest_first,
    the_log_holds_every_line_in_its_order_and_ends_with_the_job,
    no_secret_stands_in_the_request_for_the_log,
    a_cancelled_job_is_cancelled_and_to_ask_again_changes_nothing,
)
