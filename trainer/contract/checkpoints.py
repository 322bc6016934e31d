"""Which checkpoints lie in a run directory, by their names; never what is in them."""

import re
from pathlib import Path

from trainer.contract.run_directory import RunDirectory

BOUNDARY, REQUESTED = "update", "requested"
NAME = re.compile(rf"({BOUNDARY}|{REQUESTED})_(\d{{6,}})\.pt")


def checkpoint_file(run: RunDirectory, update: int, kind: str = BOUNDARY) -> Path:
    """Where the checkpoint after `update` updates lies, or would."""
    return run.checkpoints / f"{kind}_{update:06d}.pt"


def saved_checkpoints(run: RunDirectory, kind: str = BOUNDARY) -> list[Path]:
    """The checkpoints of one kind, oldest first."""
    files = run.checkpoints.iterdir() if run.checkpoints.is_dir() else ()
    matches = ((NAME.fullmatch(file.name), file) for file in files)
    return [file for _, file in sorted((int(match[2]), file) for match, file in matches if match and match[1] == kind)]
