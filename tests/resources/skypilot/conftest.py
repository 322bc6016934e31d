"""A fake SkyPilot whose jobs are ended with the test, and a run directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.resources.skypilot.fake_skypilot import FakeSkyPilot


@pytest.fixture
def sky(tmp_path: Path) -> Iterator[FakeSkyPilot]:
    fake = FakeSkyPilot(tmp_path / "sky")
    yield fake
    fake.end()
    assert fake.processes() == []
