"""Whoever waits for a job is told that it hangs, that it gets nowhere, and that SkyPilot cannot be asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.skypilot.costs import estimate_of
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.job_reader import JobLogReader
from resources.skypilot.job_record import JobFolder
from resources.skypilot.remote import JobState, RemoteJob, SkyPilotError
from resources.skypilot.watching import Watch
from tests.resources.skypilot.dagster_side import wait_for
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import RunDirectory

CONFIG = SkypilotJobConfig(gpus=0, poll_seconds=0.1, stall_seconds=0.7, hourly_dollars=3600.0, max_runtime_minutes=60)


class Watched:
    """A job that runs a script, and who watches it."""

    def __init__(self, sky: FakeSkyPilot, tmp_path: Path) -> None:
        self.sky = sky
        self.folder = JobFolder.of(RunDirectory(tmp_path / "runs" / "quick-1"), "train")
        self.workdir = tmp_path / "workdir"
        self.workdir.mkdir()
        self.said: list[str] = []
        self.warned: list[str] = []
        self.reader = JobLogReader(sky, self.folder, self.warned.append)

    def until_ended(self, script: str, sky: Any = None) -> RemoteJob:
        task = {"workdir": str(self.workdir), "file_mounts": {}, "setup": "true", "run": script, "envs": {}}
        name = "axiom-quick-1-train"
        job = self.sky.launched(self.sky.launch(task, name, "managed"), name, "managed")
        self.reader.follow(job)
        words = (self.said.append, self.warned.append, lambda job: None)
        lease = self.folder.watch("run")
        return Watch(sky or self.sky, CONFIG, lease, self.reader, estimate_of(CONFIG, []), *words).until_ended(job)


@pytest.fixture
def watched(sky: FakeSkyPilot, tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(sky, tmp_path)
    yield watched
    watched.reader.stop()


def test_of_a_job_that_says_nothing_the_log_has_one_warning(watched: Watched) -> None:
    assert watched.until_ended("sleep 3").state is JobState.SUCCEEDED
    assert watched.warned == ["job 1 has said nothing for 1 s; does it hang?"]


def test_of_a_job_that_speaks_and_gets_nowhere_the_log_has_one_warning(watched: Watched) -> None:
    watched.until_ended("for _ in $(seq 30); do echo at it; sleep 0.1; done")
    assert watched.warned == ["job 1 speaks, but has made no progress for 1 s"]


def test_a_job_that_hangs_twice_is_warned_of_twice(watched: Watched) -> None:
    watched.until_ended("sleep 2.5; echo awake; sleep 2.5")
    assert len([text for text in watched.warned if "said nothing" in text]) == 2


def test_a_job_that_ends_in_time_is_not_warned_of_and_its_cost_is_told(watched: Watched) -> None:
    watched.until_ended("true")
    assert watched.warned == []
    assert watched.said[-1].startswith("job 1: succeeded; $") and "of at most $3600.00" in watched.said[-1]


class Unreachable:
    """A SkyPilot that cannot be asked the first few times."""

    def __init__(self, sky: FakeSkyPilot, times: int) -> None:
        self.sky, self.times = sky, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sky, name)

    def status(self, job: RemoteJob) -> RemoteJob:
        self.times -= 1
        if self.times >= 0:
            raise SkyPilotError("status", "the network is down", "Look at it.")
        return self.sky.status(job)


def test_a_network_that_is_lost_for_a_while_is_one_warning_and_no_lost_job(watched: Watched, sky: FakeSkyPilot) -> None:
    assert watched.until_ended("true", Unreachable(sky, 3)).state is JobState.SUCCEEDED
    assert watched.warned == ["SkyPilot cannot be asked for job 1, and is asked again: the network is down"]


class PreemptedUnseen:
    """A SkyPilot that takes the job's machine away once, and answers only when the job runs again."""

    def __init__(self, sky: FakeSkyPilot) -> None:
        self.sky, self.preempted = sky, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sky, name)

    def status(self, job: RemoteJob) -> RemoteJob:
        now = self.sky.status(job)
        if now.state is JobState.RUNNING and not self.preempted:
            self.preempted = True
            self.sky.preempt(job)
            wait_for(lambda: (again := self.sky.status(job)).recoveries and again.state is JobState.RUNNING)
        return now


def test_a_preemption_that_nobody_saw_is_told_afterwards(watched: Watched, sky: FakeSkyPilot) -> None:
    watched.until_ended("sleep 1", PreemptedUnseen(sky))
    assert "job 1: running, recovered 1 time(s)" in watched.said
