"""The real SkyPilot, on a real Slurm, keeps the promises of the seam; nothing here is faked."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resources.skypilot.remote import JobState, Mode, SkyPilotError
from resources.skypilot.sdk_client import SdkSkyPilot
from tests.resources.skypilot.contract import PROMISES, Jobs, Place, log_of
from tests.slurm.bed import Bed
from tests.slurm.slurm_cluster import NODES

pytestmark = [pytest.mark.skypilot, pytest.mark.slow]

CLUSTER = "axiom-contract"


@pytest.fixture(scope="module")
def place(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Place:
    sky = SdkSkyPilot(bed.sky.environment())
    folder: Path = tmp_path_factory.mktemp("contract")
    return Place(sky, folder, str(os.getpid()), {"infra": "slurm"}, seconds=600.0, look_every_seconds=3.0)


@pytest.fixture(scope="module")
def jobs_by_mode(place: Place) -> Iterator[dict[Mode, Jobs]]:
    """Both modes at once: machines are slow to come, and there are enough."""
    clusters: dict[Mode, str | None] = {"managed": None, "cluster": CLUSTER}
    with ThreadPoolExecutor(len(clusters)) as pool:
        yield dict(zip(clusters, pool.map(place.launch_all, clusters, clusters.values()), strict=True))
    place.sky.down(CLUSTER)


@pytest.fixture(params=["managed", "cluster"])
def jobs(jobs_by_mode: dict[Mode, Jobs], request: pytest.FixtureRequest) -> Jobs:
    return jobs_by_mode[request.param]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_real_one_keeps_the_promise(promise: Callable[[Place, Jobs], None], place: Place, jobs: Jobs) -> None:
    promise(place, jobs)


@pytest.mark.parametrize("jobs", ["cluster"], indirect=True)
def test_a_folder_comes_back_from_the_cluster(place: Place, jobs: Jobs, tmp_path: Path) -> None:
    place.sky.fetch(jobs.good, "~/sky_workdir", tmp_path / "back")
    assert (tmp_path / "back/of-the-workdir").read_text() == "here"
    with pytest.raises(SkyPilotError, match="no-such-folder"):
        place.sky.fetch(jobs.good, "~/sky_workdir/no-such-folder", tmp_path / "nothing")


@pytest.mark.parametrize("jobs", ["cluster"], indirect=True)
def test_setup_that_fails_is_a_failed_job_that_says_so(place: Place, jobs: Jobs) -> None:
    name = place.name("setup")
    request = place.sky.launch(
        place.task(name, "echo never", setup="echo broken; exit 7"), name, "cluster", jobs.cluster
    )
    job = place.sky.launched(request, name, "cluster", jobs.cluster)
    ended = place.wait(job, lambda now: now.state.final)
    assert ended.state is JobState.FAILED and ended.failure is not None and "setup" in ended.failure
    text = log_of(place, job)
    assert "broken" in text and "never" not in text


@pytest.mark.parametrize("jobs", ["cluster"], indirect=True)
def test_a_job_whose_cluster_was_removed_has_failed_and_the_cluster_is_gone(place: Place, jobs: Jobs) -> None:
    name = place.name("removed")
    request = place.sky.launch(place.task(name, "sleep 1000"), name, "cluster", jobs.cluster)
    job = place.sky.launched(request, name, "cluster", jobs.cluster)
    for _ in range(2):
        place.sky.down(CLUSTER)
    ended = place.sky.status(job)
    assert ended.state is JobState.FAILED and ended.failure is not None and CLUSTER in ended.failure
    assert list(place.sky.find(name, "cluster", CLUSTER)) == []
    place.sky.cancel(job)


@pytest.mark.parametrize("accelerator", ["H1000:1", "H100:16"])
def test_resources_that_nobody_has_are_no_offer_and_an_error_that_names_them(place: Place, accelerator: str) -> None:
    name, cluster = place.name("impossible"), "axiom-impossible"
    task = place.task(name, "echo never")
    task["resources"] = {"infra": "slurm", "accelerators": accelerator}
    assert list(place.sky.offers(task)) == []
    with pytest.raises(SkyPilotError) as raised:
        place.sky.launched(place.sky.launch(task, name, "cluster", cluster), name, "cluster", cluster)
    assert accelerator.split(":", maxsplit=1)[0] in raised.value.said
    assert "sky gpus list" in raised.value.remedy
    assert list(place.sky.find(name, "cluster", cluster)) == []


def test_the_gpus_of_the_cluster_are_an_offer_of_unknown_price(place: Place) -> None:
    task = place.task(place.name("offers"), "true")
    task["resources"] = {"accelerators": {"H100": 1}}
    offers = place.sky.offers(task)
    assert offers and all(offer.dollars_per_hour is None and offer.infra.startswith("slurm") for offer in offers)


def test_the_enabled_infrastructure_is_the_cluster(place: Place) -> None:
    assert list(place.sky.enabled_infra()) == ["slurm"]


def test_a_launch_that_waits_for_machines_is_pending_until_its_cluster_is_removed(place: Place) -> None:
    name, cluster = place.name("waits"), "axiom-waits"
    request = place.sky.launch({**place.task(name, "true"), "num_nodes": len(NODES) + 1}, name, "cluster", cluster)
    assert list(place.sky.pending(name=name)) == [request]
    place.sky.down(cluster)
    assert list(place.sky.pending(name=name)) == []
    with pytest.raises(SkyPilotError):
        place.sky.launched(request, name, "cluster", cluster)
    assert list(place.sky.find(name, "cluster", cluster)) == []
