"""Trainings that go no further than a test has said, whatever the speed of the machine; their rewards stay as they are.

A file says up to which update each training may go: `{pattern of its run's name: update}`, the first that fits. It is
asked before an update is learned. Where it is not there, or nothing fits, nobody is held.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

FOLDER = str(Path(__file__).parent)
EXPERIMENT = "+experiments="
PATIENCE_SECONDS = 900.0


def rewards(earned: Any, file: str) -> Any:
    """Pay what was earned, once the training of this process may go on; an error where its test must have ended."""
    end = time.monotonic() + PATIENCE_SECONDS
    while any(_done(run) >= update for run in _runs() for update in _limits(Path(file), run.name)):
        if time.monotonic() > end:
            raise TimeoutError(f"nobody has released this training for {PATIENCE_SECONDS} s: see {file}")
        time.sleep(0.02)
    return earned.rewards


def _runs() -> Iterator[Path]:
    """The run directory that this process trains in, by its command line; none where it does not train."""
    if sys.argv[1:2] != ["train"]:
        return
    for word, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if word == "--run-dir":
            yield Path(following)
        if word.startswith(EXPERIMENT):
            yield Path(os.environ.get("AXIOM_HOME") or ".axiom") / "runs" / word.removeprefix(EXPERIMENT)


def _limits(file: Path, name: str) -> list[int]:
    try:
        limits = json.loads(file.read_text())
    except FileNotFoundError:
        return []
    return [update for pattern, update in limits.items() if fnmatch(name, pattern)][:1]


def _done(run: Path) -> int:
    return max(updates_of(run / "train" / "metrics.jsonl"), default=0)


def updates_of(metrics: Path) -> list[int]:
    """The updates that are written down; a line that is only half there does not count."""
    lines = metrics.read_text().splitlines(keepends=True) if metrics.exists() else []
    return [json.loads(line)["update"] for line in lines if line.endswith("\n")]


class Hold:
    """How far the trainings may go whose specs have its `overrides`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.overrides = {
            "train.compute_reward": {"imported": {"target": "held:rewards", "params": {"file": str(file)}}}
        }
        paths = [FOLDER, os.environ.get("PYTHONPATH")]
        # For whoever takes such a spec: the module is found there, and its source travels with the run.
        self.environment = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

    def at(self, limits: dict[str, int]) -> None:
        """Let each training whose run's name fits go on up to that update and no further; the first pattern counts."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(limits))
        new.replace(self._file)

    def release(self) -> None:
        """Let all go on to their ends."""
        self._file.unlink()
