"""The fake SkyPilot keeps the promises of the seam; tests/slurm holds the real one to the same."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.resources.skypilot.contract import PROMISES, Jobs, Place
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("contract")
    fake = FakeSkyPilot(folder / "sky")
    yield Place(fake, folder, "fake", {}, seconds=60.0, look_every_seconds=0.02)
    fake.end()


@pytest.fixture(scope="module", params=["managed", "cluster"])
def jobs(place: Place, request: pytest.FixtureRequest) -> Jobs:
    return place.launch_all(request.param, "axiom-contract" if request.param == "cluster" else None)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_fake_keeps_the_promise(promise: Callable[[Place, Jobs], None], place: Place, jobs: Jobs) -> None:
    promise(place, jobs)
