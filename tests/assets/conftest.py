"""Makes the fake trainer importable, a Dagster instance and a home for each test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

sys.path.append(str(Path(__file__).parents[1] / "resources" / "fakes"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A real, empty, in-memory instance."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
