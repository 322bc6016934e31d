"""The test bed for a session of tests: brought up once, left alone where it ran before."""

import os
from collections.abc import Iterator

import pytest

from tests.slurm.bed import Bed
from tests.slurm.requirements import missing


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """A bed that runs. Skipped where this machine cannot have one; in CI that is a failure."""
    if reasons := missing():
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("no SkyPilot test bed: " + "; ".join(reasons))
    bed = Bed()
    ran_before = bed.running()
    bed.up()
    yield bed
    if not ran_before:
        bed.down()
