"""All that a report tells of one run, as it lies in its directory; what is not there is said, never made up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from trainer.contract import Manifest, Refused, RunDirectory, TrainAndEvalSpec, load_experiment_spec, read_manifest

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class RunRecord:
    """One run: its spec, its training's metrics, and the manifests of the stages that ended."""

    name: str
    spec: TrainAndEvalSpec
    rows: Rows
    train: Manifest | None
    evaluate: Manifest | None
    trained_in: RunDirectory
    evaluated_in: RunDirectory
    notes: Sequence[str] = field(default=())

    @property
    def manifest(self) -> Manifest | None:
        """The record of the last stage that ended, of training and evaluation."""
        return self.evaluate or self.train

    @property
    def replays(self) -> dict[str, Path]:
        """The first recorded episode of each simulation that has one."""
        results = self.evaluate.eval_results if self.evaluate else {}
        return {name: self.evaluated_in.path / each.replays[0] for name, each in results.items() if each.replays}


def read_record(run: RunDirectory) -> RunRecord:
    """What a run directory holds; raises `Refused` where it is none, or what it holds was damaged."""
    spec = load_experiment_spec(run.spec_file)
    train, evaluate = (_ended(run, stage) for stage in ("train", "evaluate"))
    rows, notes = read_rows(run.metrics_file)
    return RunRecord(run.instance_name, spec, rows, train, evaluate, run, run, notes)


def read_rows(file: Path) -> tuple[Rows, tuple[str, ...]]:
    """The metrics of each update, and in words what could not be read; raises `Refused` for an unreadable file."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return [], ("There are no training metrics: no update has ended.",)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused.one("metrics", str(file), f"cannot be read: {error}") from None
    rows = [row for row in map(_row, lines) if row is not None]
    damaged = len(lines) - len(rows)
    return rows, ((f"{damaged} of {len(lines)} lines of the metrics are damaged and left out.",) if damaged else ())


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", row) if isinstance(row, dict) else None


def _ended(run: RunDirectory, stage: str) -> Manifest | None:
    file = run.manifest_file(stage)
    return read_manifest(file) if file.exists() else None
