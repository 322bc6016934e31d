"""Dagster → SkyPilot → Slurm → trainer → artifacts → materialization, with nothing faked."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from resources.home import dagster_instance
from resources.skypilot.job_record import JobFolder
from resources.skypilot.remote import JobState
from resources.skypilot.sdk_client import SdkSkyPilot
from tests.resources.skypilot.dagster_side import DagsterSide, wait_for
from tests.slurm.bed import Bed
from trainer.contract import RunDirectory, read_manifest

pytestmark = pytest.mark.skypilot

SECONDS = 420.0
CLUSTER = "axiom-rented-training"


@pytest.fixture(scope="module")
def sky(bed: Bed):
    sky = SdkSkyPilot(bed.sky.environment())
    yield sky
    sky.down(CLUSTER)


@pytest.fixture
def side(bed: Bed, sky: SdkSkyPilot, tmp_path: Path) -> Callable[..., DagsterSide]:
    def make(updates: int = 20, **config: Any) -> DagsterSide:
        (tmp_path / "home").mkdir(exist_ok=True)
        given = {"infra": "slurm", "spot": False, "poll_seconds": 15.0, "python": sys.executable, **config}
        return DagsterSide(tmp_path / "home", sky, updates, given)

    return make


def digest_here(folder: Path, updates: int) -> str | None:
    """Of the weights of the same training in a process of this machine, never interrupted."""
    folder.mkdir()
    here = DagsterSide(folder, None, updates, local=True)
    assert here.train().success
    return here.manifest.weights_digest


def trainers(name: str) -> list[psutil.Process]:
    """The trainers of a run on the nodes, which are processes of this machine too."""
    wanted = f"+experiments={name}"
    return [process for process in psutil.process_iter() if wanted in _words(process)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.name().startswith("python") else []
    except psutil.Error:
        return []


def failure_of(result: dg.ExecuteInProcessResult) -> Any:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data


def test_a_training_on_a_cluster_comes_back_whole_and_the_next_one_uses_the_cluster_again(
    side: Callable[..., DagsterSide], tmp_path: Path
) -> None:
    first = side(artifacts="", cluster=CLUSTER)
    results = [first.train(), first.train()]
    for result in results:
        assert result.success, failure_of(result)
    runs = sorted((first.home / "runs").iterdir())
    manifests = [read_manifest(RunDirectory(run).manifest_file("train")) for run in runs]
    digests = {manifest.weights_digest for manifest in manifests}
    assert digests == {digest_here(tmp_path / "here", first.updates)}
    records = [JobFolder.of(RunDirectory(run), "train").read() for run in runs]
    jobs = [record.job for record in records if record and record.job]
    assert {job.cluster for job in jobs} == {CLUSTER} and len({job.job_id for job in jobs}) == 2
    assert first.materializations == 2


def test_a_users_terminate_ends_the_remote_process_within_thirty_seconds(
    side: Callable[..., DagsterSide], bed: Bed, sky: SdkSkyPilot
) -> None:
    rented = side(1_000_000, artifacts=bed.artifacts, mode="cluster", cluster=CLUSTER)
    with rented.started() as process:
        wait_for(lambda: _exists(rented) and trainers(rented.run.instance_name), SECONDS)
        name = rented.run.instance_name
        with dagster_instance(rented.home) as instance:
            (run,) = instance.get_runs(limit=1)
            instance.report_run_canceling(run)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not trainers(name), 30)
        process.wait(120)
    with dagster_instance(rented.home) as instance:
        (run,) = instance.get_runs(limit=1)
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert [job.state for job in sky.find(f"axiom-{name}-train", "cluster", CLUSTER)] == [JobState.CANCELLED]


def test_two_nodes_train_one_agent(side: Callable[..., DagsterSide], bed: Bed) -> None:
    two = side(nodes=2, artifacts=bed.artifacts)
    result = two.train()
    assert result.success, failure_of(result)
    assert two.manifest.compute is not None and two.manifest.compute.world_size == 2
    assert two.manifest.compute.kind == "skypilot"


def test_after_kills_here_and_there_one_job_gives_the_result_of_a_training_that_nobody_disturbed(
    side: Callable[..., DagsterSide], bed: Bed, sky: SdkSkyPilot, tmp_path: Path
) -> None:
    rented = side(400, artifacts=bed.artifacts, max_restarts_on_errors=2)
    rented.hold.at({"*": 7})
    with rented.started() as process:
        wait_for(lambda: _exists(rented) and trainers(rented.run.instance_name), SECONDS)
        name = rented.run.instance_name
        checkpoints = Path(bed.artifacts.removeprefix("file://")) / name / "train" / "checkpoints"
        wait_for(lambda: checkpoints.is_dir() and any(checkpoints.glob("*.pt")), SECONDS)
        process.kill()
    for trainer in trainers(name):
        os.kill(trainer.pid, signal.SIGKILL)
    rented.hold.release()
    result = rented.train(name)
    assert result.success, failure_of(result)
    assert rented.record is not None and rented.record.launches == 1
    assert len(sky.find(f"axiom-{name}-train", "managed")) == 1
    assert rented.materializations == 1
    assert rented.manifest.attempt > 1
    assert rented.manifest.weights_digest == digest_here(tmp_path / "here", rented.updates)


def _exists(side: DagsterSide) -> bool:
    folder = side.home / "runs"
    return folder.is_dir() and any(folder.iterdir())


def test_no_job_is_left_by_the_tests_before(sky: SdkSkyPilot) -> None:
    assert [job for job in sky.jobs() if not job.state.final] == []
