"""Makes the fake trainer importable, and startable as `python -m trainer`."""

import os
import sys
from pathlib import Path

import pytest

import trainer

FAKES = Path(__file__).parent / "fakes"
sys.path.append(str(FAKES))


@pytest.fixture
def fake_trainer_environment(tmp_path: Path) -> dict[str, str]:
    """Variables with which `python -m trainer` is the fake one, with the real contract."""
    package = tmp_path / "fake" / "trainer"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"__path__.append({str(Path(trainer.__file__).parent)!r})\n")
    (package / "__main__.py").write_text("from fake_trainer import main\nraise SystemExit(main())\n")
    return {"PYTHONPATH": os.pathsep.join([str(package.parent), str(FAKES)])}
