"""The runs of the home as tracking sees them: their directories, found by their files alone; it opens none of them."""

from pathlib import Path

from resources.home import axiom_home
from trainer.contract import RunDirectory
from trainer.contract.tracking import TRACKED_STAGES, tracking_file


def run_directories(home: Path | None = None) -> list[RunDirectory]:
    """All runs of the home that have begun, by name; nothing where there is no home."""
    files = (home or axiom_home()).glob("runs/*/run.yaml")
    return [RunDirectory(file.parent) for file in sorted(files)]


def run_directory(name: str, home: Path | None = None) -> RunDirectory:
    """Where a run of this name lies, or would lie, in the home."""
    return RunDirectory((home or axiom_home()) / "runs" / Path(name).name)


def tracked_runs(home: Path | None = None) -> list[RunDirectory]:
    """Those of which a stage was tracked."""
    return [run for run in run_directories(home) if any(tracking_file(run, each).is_file() for each in TRACKED_STAGES)]
