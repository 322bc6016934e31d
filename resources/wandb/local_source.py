"""Answers about tracked runs from the run directories of a home: no key, no network; it changes nothing there."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.wandb.runs import run_directories, run_directory
from resources.wandb.source import Wanted
from resources.wandb.tables import LogRow, MetricsRow, RunRow, RunState, SourceName
from trainer.contract import (
    Refused,
    RunDirectory,
    Stage,
    TrainAndEvalSpec,
    attempts,
    load_experiment_spec,
    read_manifest,
)
from trainer.contract.processes import has_ended, is_here
from trainer.contract.tracking import TRACKED_STAGES, read_tracking, wandb_run_id

EVALUATE = "-evaluate"


@dataclass(frozen=True)
class LocalSource:
    """The runs of a home; none: that of AXIOM_HOME."""

    home: Path | None = None

    @property
    def name(self) -> SourceName:
        """`local`."""
        return "local"

    def runs(self, wanted: Wanted) -> Iterator[RunRow]:
        """Those whose stage has begun; one whose files cannot be read is left out."""
        for run in self._directories(wanted.run_ids):
            with suppress(Refused):
                yield from (row for row in _rows(run) if wanted.fits(row))

    def metrics(self, run_id: str) -> Iterator[MetricsRow]:
        """The lines of metrics.jsonl."""
        file = self._run(run_id).metrics_file
        lines = file.read_text(encoding="utf-8").splitlines() if _is_training(run_id) and file.is_file() else []
        for line in lines:
            with suppress(json.JSONDecodeError):
                yield metrics_row(run_id, json.loads(line))

    def config(self, run_id: str) -> dict[str, Any]:
        """`run.yaml`."""
        return _spec(self._run(run_id)).plain()

    def logs(self, run_id: str) -> Iterator[LogRow]:
        """`console.log` of the stage."""
        stage = "train" if _is_training(run_id) else "evaluate"
        file = self._run(run_id).stage(stage) / "console.log"
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        for number, line in enumerate(text.splitlines(), 1):
            yield LogRow(run_id, number, line)

    def _directories(self, run_ids: tuple[str, ...] | None) -> list[RunDirectory]:
        """Of these runs, no other one is looked at; none: all of the home; by name."""
        if run_ids is None:
            return run_directories(self.home)
        found = {run.instance_name: run for run in map(self._found, run_ids) if run}
        return [found[name] for name in sorted(found)]

    def _found(self, run_id: str) -> RunDirectory | None:
        """The directory of a run by the id of one of its stages; none where there is no such run."""
        names = (run_id, run_id.removesuffix(EVALUATE))
        return next((run for name in names if (run := run_directory(name, self.home)).spec_file.is_file()), None)

    def _run(self, run_id: str) -> RunDirectory:
        found = self._found(run_id)
        if found is None:
            raise Refused.one("run", run_id, "there is no such run in this home")
        return found


def metrics_row(run_id: str, row: dict[str, Any]) -> MetricsRow:
    """A row as metrics.jsonl and W&B's history keep it; W&B's own columns are left out."""
    values = {
        name: value
        for name, value in row.items()
        if isinstance(value, int | float) and not name.startswith("_") and name not in ("update", "agent_steps")
    }
    return MetricsRow(run_id, row["update"], row["agent_steps"], dict(sorted(values.items())))


def _is_training(run_id: str) -> bool:
    return not run_id.endswith(EVALUATE)


def _spec(run: RunDirectory) -> TrainAndEvalSpec:
    with run.source_first():
        return load_experiment_spec(run.spec_file)


def _rows(run: RunDirectory) -> Iterator[RunRow]:
    spec = _spec(run)
    for stage in TRACKED_STAGES:
        if run.stage(stage).is_dir():
            tracked = read_tracking(run, stage)
            yield RunRow(
                run_id=wandb_run_id(run, stage),
                experiment=spec.name,
                stage=stage,
                status=_status(run, stage),
                tags=spec.wandb.tags,
                project=spec.wandb.project,
                url=tracked.url if tracked else None,
            )


def _status(run: RunDirectory, stage: Stage) -> RunState:
    """In W&B's words; crashed is what has no manifest and whose process has ended here."""
    file = run.manifest_file(stage)
    if file.is_file():
        return "finished" if read_manifest(file).status == "succeeded" else "failed"
    tries = attempts(run, stage)
    process = tries[-1].process if tries else None
    return "crashed" if process and is_here(process) and has_ended(process) else "running"
