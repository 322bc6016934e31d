"""Dagster → SkyPilot → Slurm → trainer → artifacts → materialization, with nothing faked."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.skypilot.job_record import JobFolder
from resources.skypilot.sdk_client import SdkSkyPilot
from tests.resources.skypilot.dagster_side import DagsterSide
from tests.slurm.bed import Bed
from trainer.contract import RunDirectory, read_manifest

pytestmark = pytest.mark.skypilot

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
        given = {"infra": "slurm", "spot": False, "poll_seconds": 5.0, "python": sys.executable, **config}
        return DagsterSide(tmp_path / "home", sky, updates, given)

    return make


def digest_here(folder: Path, updates: int) -> str | None:
    """Of the weights of the same training in a process of this machine, never interrupted."""
    folder.mkdir()
    here = DagsterSide(folder, None, updates, local=True)
    assert here.train().success
    return here.manifest.weights_digest


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
