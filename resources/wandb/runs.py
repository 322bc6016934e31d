"""The runs of the home as tracking sees them: their directories, found by their files alone; it opens none of them."""

from pathlib import Path

from resources.home import axiom_home
from trainer.contract import RunDirectory
from trainer.contract.tracking import tracking_file


def run_directories(home: Path | None = None) -> list[RunDirectory]:
    """All runs of the home that have begun, by name; nothing where there is no home."""
    files = (home or axiom_home()).glob("runs/*/run.yaml")
    return [RunDirectory(file.parent) for file in sorted(files)]


def tracked_runs(home: Path | None = None) -> list[RunDirectory]:
    """Those of which a stage was tracked."""
    stages = ("train", "evaluate")
    return [run for run in run_directories(home) if any(tracking_file(run, stage).is_file() for stage in stages)]
