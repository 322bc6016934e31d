"""Finds the manifests that stages hand to each other, run by run; it never writes one, nor mixes two runs up."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import dagster as dg
from pydantic import Field

from resources.declarations import declared_sources_first, declared_spec
from resources.home import axiom_home
from resources.matrix import PARTITION_TAG, SPEC_HASH_TAG, Cell
from trainer.contract import (
    Manifest,
    Refused,
    RunDirectory,
    TrainAndEvalSpec,
    begin_run,
    load_experiment_spec,
    nearest,
    read_manifest,
)
from trainer.contract.processes import this_process

RETRY_TAG = "dagster/retry_number"
RESUME_TAG = "axiom/resumes"
REPLAY_TAG = "axiom/replay_of"
WORKER_TAG = "axiom/worker"
INSTANCE_NAME_TAG = "axiom/instance_name"
MANIFEST_FILE = "manifest_file"
DIGEST = "digest"
PARENTS = "parent_manifests"
MOMENT = re.compile(r"-\d{8}-\d{6}-[0-9a-f]{6}\Z")


@dataclass(frozen=True)
class Recorded:
    """A manifest that a materialization speaks of, and where it lies."""

    manifest: Manifest
    path: Path
    run_id: str
    parent_files: Mapping[str, str]

    @property
    def run_directory(self) -> RunDirectory:
        """The directory of the run that made it."""
        return RunDirectory(self.path.parents[1])

    def parent(self, stage: str) -> "Recorded":
        """The manifest of the parent `stage` that this one was made from; refused where it was changed since."""
        return _verified(
            Path(self.parent_files.get(stage, "")), self.manifest.parents.get(stage, "none"), self.run_id, {}
        )


def instance_name(spec_name: str, record: dg.RunRecord) -> str:
    """`name-YYYYmmdd-HHMMSS-abcdef`: the spec's name, when Dagster created the run (UTC), the run id's beginning.

    A run that goes on where another one stopped, a retry after a crash or a resumption, has the time and the id of that
    one. A run may train by several specs, each in a directory of its own.
    """
    if goes_on(record.dagster_run):
        stopped = record.dagster_run.tags[INSTANCE_NAME_TAG]
        moment = MOMENT.search(stopped)
        return f"{spec_name}{moment[0]}" if moment else stopped
    created = record.create_timestamp.astimezone(UTC)
    return f"{spec_name}-{created:%Y%m%d-%H%M%S}-{record.dagster_run.run_id[:6]}"


def goes_on(run: dg.DagsterRun) -> bool:
    """Whether the run goes on where another stopped: Dagster's retry after a crash, or a resumption; no new run."""
    return INSTANCE_NAME_TAG in run.tags and (RETRY_TAG in run.tags or RESUME_TAG in run.tags)


def worker_tag(run_id: str) -> dict[str, str]:
    """The tag that names this process as the one that works on the run; a retry's copy of it is not its own."""
    return {WORKER_TAG: f"{run_id} {this_process()}"}


def worker_of(run: dg.DagsterRun) -> str | None:
    """The process that works on the run, as far as its first stage has begun."""
    run_id, _, process = run.tags.get(WORKER_TAG, "").partition(" ")
    return process if run_id == run.run_id else None


class ManifestStore(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument]
    """Run directories, and the manifests that materializations point at."""

    home: str = Field(default="", description="The folder that holds `runs/`; empty: AXIOM_HOME, else `.axiom`.")

    @property
    def runs(self) -> Path:
        """The folder of all run directories."""
        return self._home / "runs"

    @property
    def _home(self) -> Path:
        return Path(self.home).absolute() if self.home else axiom_home()

    def declared_sources_first(self, run: dg.DagsterRun, composition: str = "") -> AbstractContextManager[None]:
        """While the block runs, imported ops are those of when the run's experiment, or this composition, was launched.

        A run of neither has no such sources.
        """
        cell = Cell.of(run.tags)
        experiment = cell.experiment if cell else composition
        return declared_sources_first(self._home, experiment) if experiment else nullcontext()

    def declared(self, run: dg.DagsterRun) -> TrainAndEvalSpec:
        """What a run of the matrix trains, as its experiment declares it.

        Refused where that is no longer what the run was launched for.
        """
        cell = Cell.of(run.tags)
        if cell is None:
            raise Refused.one(
                "partition", run.tags.get(PARTITION_TAG), "is no variant × seed; give one partition a run"
            )
        spec = declared_spec(self._home, cell)
        launched_for = run.tags.get(SPEC_HASH_TAG)
        if launched_for not in (None, spec.spec_hash.removeprefix("sha256:")):
            why = (
                f"was declared anew since this run was launched for spec {launched_for}: launch {cell.experiment} again"
            )
            raise Refused.one("spec_hash", str(cell), why)
        return spec

    def open_run(self, instance: dg.DagsterInstance, run_id: str, spec: TrainAndEvalSpec) -> RunDirectory:
        """The run's own directory with its `run.yaml`; refused if another spec's is already there."""
        record = instance.get_run_record_by_id(run_id)
        if record is None:
            raise Refused.one("run_id", run_id, "this Dagster instance knows no such run")
        run = RunDirectory(self.runs / instance_name(spec.name, record))
        if not run.spec_file.exists():
            repeats = record.dagster_run.tags.get(REPLAY_TAG)
            begin_run(spec, run, RunDirectory(self.runs / repeats) if repeats else None)
        elif load_experiment_spec(run.spec_file) != spec:
            raise Refused.one("run.yaml", str(run.spec_file), "belongs to another spec; no run directory is used twice")
        return run

    def parent(self, instance: dg.DagsterInstance, run_id: str, asset: dg.AssetKey, of_run: str = "") -> Recorded:
        """The manifest of `asset` that a stage of `run_id` builds on.

        That of the run named `of_run`; else the run's own; else that of the run it re-executes, and so on back; else
        the latest, which in a matrix is the latest of the run's own cell. Refused where there is none, where it is of
        another cell, or where the file is not the one that was recorded.
        """
        candidates = [_run_named(instance, of_run)] if of_run else list(_lineage(instance, run_id))
        _refuse_another_cell(instance, run_id, of_run, candidates)
        for candidate in candidates:
            if found := self.made_by(instance, candidate, asset):
                return found
        cell = _cell(instance, run_id)
        latest = None if of_run else _latest(instance, asset, cell)
        if latest is None:
            where, name = of_run or (f"any run of {cell}" if cell else "any run"), asset.to_user_string()
            raise Refused.one(name, where, f"has no materialization of {name}; materialize it first")
        return _read(latest)

    def made_by(self, instance: dg.DagsterInstance, run_id: str, asset: dg.AssetKey) -> Recorded | None:
        """The manifest of `asset` that the run materialized; none if it did not."""
        events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        own = [event for event in events if event.get_dagster_event().asset_key == asset]
        return _read(own[-1]) if own else None


def _lineage(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    run = instance.get_run_by_id(run_id)
    while run is not None:
        yield run.run_id
        run = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None


def _cell(instance: dg.DagsterInstance, run_id: str) -> Cell | None:
    run = instance.get_run_by_id(run_id)
    return Cell.of(run.tags) if run else None


def _refuse_another_cell(instance: dg.DagsterInstance, run_id: str, of_run: str, candidates: Sequence[str]) -> None:
    own = _cell(instance, run_id)
    for other in (_cell(instance, candidate) for candidate in candidates):
        if own is not None and other != own:
            raise Refused.one("of_run", of_run or run_id, f"is of {other or 'no variant'}, and this run is of {own}")


def _latest(instance: dg.DagsterInstance, asset: dg.AssetKey, cell: Cell | None) -> dg.EventLogEntry | None:
    if cell is None:
        return instance.get_latest_materialization_event(asset)
    of_cell = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[cell.key])
    found = instance.fetch_materializations(of_cell, limit=1).records
    return found[0].event_log_entry if found else None


def _run_named(instance: dg.DagsterInstance, name: str) -> str:
    for run in instance.get_runs(filters=dg.RunsFilter(tags={INSTANCE_NAME_TAG: name})):
        return run.run_id
    known = (run.tags[INSTANCE_NAME_TAG] for run in instance.get_runs(limit=50) if INSTANCE_NAME_TAG in run.tags)
    raise Refused.one("of_run", name, f"no run has this instance name; {nearest(name, known)}")


def _read(event: dg.EventLogEntry) -> Recorded:
    materialization = event.asset_materialization
    metadata: Mapping[str, Any] = materialization.metadata if materialization else {}
    if MANIFEST_FILE not in metadata or DIGEST not in metadata:
        raise Refused.one("materialization", event.run_id, "records no manifest; it was not made by these assets")
    parents = cast("Mapping[str, str]", metadata[PARENTS].value if PARENTS in metadata else {})
    return _verified(Path(str(metadata[MANIFEST_FILE].value)), str(metadata[DIGEST].value), event.run_id, parents)


def _verified(path: Path, digest: str, run_id: str, parents: Mapping[str, str]) -> Recorded:
    manifest = read_manifest(path)
    if manifest.digest != digest:
        raise Refused.one(
            "manifest", str(path), f"its digest is {manifest.digest}, but {digest} was recorded: it was changed since"
        )
    return Recorded(manifest, path, run_id, parents)
