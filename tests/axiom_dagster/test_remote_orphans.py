"""Rented jobs that run on for nobody are found and ended; those that somebody waits for, or may, are left alone."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from axiom_dagster.reconcile import reconcile
from axiom_dagster.remote_orphans import orphaned_jobs, unknown_jobs
from resources.home import dagster_instance
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.remote import JobState, RemoteJob, SkyPilotError
from resources.skypilot.service import SkyPilotService
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import RunDirectory

STATUS = dg.DagsterRunStatus


class Asked:
    """A SkyPilot that must not be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"SkyPilot was asked: {name}")


@pytest.fixture
def sky(tmp_path: Path) -> Iterator[FakeSkyPilot]:
    fake = FakeSkyPilot(tmp_path / "sky")
    yield fake
    fake.end()


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dagster_instance() as instance:
        yield instance


@dg.op
def nothing() -> None:
    """Nothing."""


@dg.job
def idle() -> None:
    """A job to make runs of."""
    nothing()


def job_of(sky: FakeSkyPilot, folder: Path, name: str = "axiom-quick-1-train", script: str = "sleep 60") -> RemoteJob:
    (folder / "workdir").mkdir(exist_ok=True)
    task = {"name": name, "resources": {}, "envs": {}, "setup": "true", "run": script, "file_mounts": {}}
    return SkyPilotService(sky).launch({**task, "workdir": str(folder / "workdir")})


def record_of(home: Path, job: RemoteJob | None, state: Any = "launched") -> JobFolder:
    folder = JobFolder.of(RunDirectory(home / "runs" / "quick-1"), "train")
    now = datetime.now(UTC)
    folder.write(
        JobRecord(name="axiom-quick-1-train", mode="managed", state=state, run_id="r", intended_at=now, job=job)
    )
    return folder


def a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    run = instance.create_run_for_job(idle, status=STATUS.STARTED, tags={INSTANCE_NAME_TAG: "quick-1"})
    if status is STATUS.FAILURE:
        instance.report_run_failed(run)
    elif status is STATUS.CANCELED:
        instance.report_run_canceled(run)
    return run


@pytest.mark.parametrize("known", [True, False], ids=["of a cancelled run", "of a run that Dagster has forgotten"])
def test_a_job_whose_run_has_ended_is_found_and_cancelled(instance, home, sky, tmp_path: Path, known: bool) -> None:
    job = job_of(sky, tmp_path)
    folder = record_of(home, job)
    if known:
        a_run(instance, STATUS.CANCELED)
    ((finding, mend),) = orphaned_jobs(instance, home, sky)
    assert (finding.kind, finding.instance_name, finding.run_id) == ("orphaned job", "quick-1", "r")
    assert not sky.status(job).state.final
    mend()
    assert sky.wait_for(job).state is JobState.CANCELLED
    assert list(orphaned_jobs(instance, home, sky)) == []
    record = folder.read()
    assert record and record.job and record.job.state is JobState.CANCELLED
    assert list(orphaned_jobs(instance, home, Asked())) == [], "its end is known"


def test_a_job_whose_run_lives_is_left_alone_and_nobody_is_asked(instance, home, sky, tmp_path: Path) -> None:
    record_of(home, job_of(sky, tmp_path))
    a_run(instance, STATUS.FAILURE)
    a_run(instance, STATUS.STARTED)
    assert list(orphaned_jobs(instance, home, Asked(), retry_seconds=0)) == []


def test_a_failed_runs_job_is_left_to_its_retry_for_a_while(instance, home, sky, tmp_path: Path) -> None:
    record_of(home, job_of(sky, tmp_path))
    a_run(instance, STATUS.FAILURE)
    assert list(orphaned_jobs(instance, home, Asked())) == []
    assert [found.kind for found, _ in orphaned_jobs(instance, home, sky, retry_seconds=0)] == ["orphaned job"]


def test_a_launch_whose_end_nobody_saw_is_found_by_its_name(instance, home, sky, tmp_path: Path) -> None:
    record_of(home, None, "requested")
    a_run(instance, STATUS.CANCELED)
    assert list(orphaned_jobs(instance, home, sky)) == [], "there is no such job"
    sky.launch_seconds = 2.0
    (tmp_path / "workdir").mkdir()
    task = {"resources": {}, "envs": {}, "setup": "true", "run": "sleep 60", "file_mounts": {}}
    request = sky.launch({**task, "workdir": str(tmp_path / "workdir")}, "axiom-quick-1-train", "managed")
    assert list(orphaned_jobs(instance, home, sky)) == [], "it is on its way"
    sky.launched(request, "axiom-quick-1-train", "managed")
    assert len(list(orphaned_jobs(instance, home, sky))) == 1


def test_a_launch_that_came_to_nothing_is_not_asked_for_for_ever(instance, home) -> None:
    record_of(home, None, "intended")
    assert list(orphaned_jobs(instance, home, Asked())) == [], "Dagster knows of no run: it is long over"


def test_a_job_that_went_with_its_cluster_is_not_looked_for_for_ever(instance, home, sky, tmp_path: Path) -> None:
    job = job_of(sky, tmp_path, script="true")
    record_of(home, job)
    sky.wait_for(job)
    gone = (sky.folder / "jobs" / str(job.job_id)).rename(tmp_path / "gone")
    assert list(orphaned_jobs(instance, home, sky)) == []
    assert list(orphaned_jobs(instance, home, Asked())) == []
    gone.rename(sky.folder / "jobs" / str(job.job_id))


def test_skypilot_that_cannot_be_asked_is_reported_and_nothing_is_done(instance, home, sky, tmp_path: Path) -> None:
    class Silent:
        def status(self, job: RemoteJob) -> RemoteJob:
            raise SkyPilotError("status", "connection refused", "run `sky api start`")

    record_of(home, job_of(sky, tmp_path))
    ((finding, mend),) = orphaned_jobs(instance, home, Silent())
    assert "connection refused; run `sky api start`" in finding.remedy
    mend()


def test_without_any_rented_job_reconciling_asks_nobody(instance, home) -> None:
    assert reconcile(instance) == []
    assert list(orphaned_jobs(instance, home, Asked())) == []
    assert list(unknown_jobs(home, Asked())) == []


def test_a_job_of_another_home_is_named_and_left_alone(instance, home, sky, tmp_path: Path) -> None:
    record_of(home, job_of(sky, tmp_path))
    stranger = job_of(sky, tmp_path, "axiom-other-1-train")
    job_of(sky, tmp_path, "axiom-over-1-train", "true")
    sky.wait_for(sky.jobs()[0])
    (finding,) = unknown_jobs(home, sky)
    assert (finding.kind, finding.instance_name, finding.run_id) == ("unknown job", "other-1", None)
    assert "axiom jobs cancel axiom-other-1-train" in finding.remedy
    assert not sky.status(stranger).state.final
