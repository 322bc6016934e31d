"""A handle on one run: its manifest, status, words and end; it reads what is there and never recomputes it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import dagster as dg

from resources.home import axiom_home, dagster_instance
from resources.manifest_store import INSTANCE_NAME_TAG, instance_name, worker_of
from resources.matrix import Cell
from trainer.contract import Manifest, Refused, RunDirectory, TrainAndEvalSpec, nearest, read_manifest
from trainer.contract.processes import PROCESS_TAG, has_ended, interrupt, is_here

if TYPE_CHECKING:
    from resources.compute import Compute
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute
    from trainer.contract.difference import Difference
    from trainer.contract.verification import Verification

LEVELS = {number: name for name, number in logging.getLevelNamesMapping().items()}
STAGES = ("analyze", "evaluate", "train")
logger = logging.getLogger(__name__)
RunStatus = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
STATUS: dict[dg.DagsterRunStatus, RunStatus] = {
    dg.DagsterRunStatus.STARTED: "running",
    dg.DagsterRunStatus.CANCELING: "cancelling",
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}


@dataclass(frozen=True)
class RunHandle:
    """One run of an experiment, finished or not."""

    run_id: str
    instance: dg.DagsterInstance = field(repr=False, compare=False)

    @classmethod
    def of(cls, name: str, instance: dg.DagsterInstance | None = None) -> "RunHandle":
        """The run with this instance name or run id (its beginning is enough); raises `Refused` where there is none."""
        instance = instance or dagster_instance()
        if instance.has_run(name):
            return cls(name, instance)
        for run in instance.get_runs(filters=dg.RunsFilter(tags={INSTANCE_NAME_TAG: name}), limit=1):
            return cls(run.run_id, instance)
        if found := _by_id(name, instance):
            return found
        newest = [handle.instance_name for handle in all_runs(instance, limit=20)]
        raise Refused.one("run", name, f"no run has this name or id; {nearest(name, newest)}")

    @property
    def instance_name(self) -> str:
        """`name` and timestamp; of a run that has not begun and does not train, its id."""
        return name_of(self._record)

    @property
    def directory(self) -> Path:
        """The run directory; not there before the first stage begins."""
        return directory_of(self._record).path

    @property
    def status(self) -> RunStatus:
        """How far the run is, as Dagster sees it now."""
        return status_of(self._record.dagster_run.status)

    @property
    def tags(self) -> dict[str, str]:
        """The run's Dagster tags (`axiom/tag`, `axiom/experiment`, `axiom/seed` …)."""
        return dict(self._record.dagster_run.tags)

    @property
    def created_at(self) -> datetime:
        """When the run was created (UTC)."""
        return self._record.create_timestamp.astimezone(UTC)

    @property
    def duration_seconds(self) -> float | None:
        """From its start to its end, by Dagster's clock; none before it has ended."""
        record = self._record
        if record.start_time is None or record.end_time is None:
            return None
        return record.end_time - record.start_time

    @property
    def error(self) -> str | None:
        """Why the run failed: the words of its first failed step; none unless it failed."""
        if self.status != "failed":
            return None
        events = self.instance.all_logs(
            self.run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
        )
        return next(_words(events), "the run failed before its first step")

    def manifest(self, stage: str | None = None) -> dict[str, Any]:
        """The manifest of a stage as plain data; of the last stage that ended if none is named. Raises `Refused`."""
        return self.read(stage).plain()

    def read(self, stage: str | None = None) -> Manifest:
        """The same as a `Manifest`."""
        run = RunDirectory(self.directory)
        if stage is not None and stage not in STAGES:
            raise Refused.one("stage", stage, nearest(stage, STAGES))
        for candidate in STAGES if stage is None else (stage,):
            if run.manifest_file(candidate).exists():
                return read_manifest(run.manifest_file(candidate))
        why = f": {self.error}" if self.error else ""
        raise Refused.one(
            "manifest",
            self.instance_name,
            f"{'no stage' if stage is None else 'no ' + stage} has ended; the run is {self.status}{why}",
        )

    def logs(self) -> list[str]:
        """What the run has said so far, one line an entry: time (UTC), level, words."""
        return [
            f"{datetime.fromtimestamp(entry.timestamp, UTC):%H:%M:%S} "
            f"{LEVELS.get(int(entry.level), entry.level)} {entry.user_message}"
            for entry in self.instance.all_logs(self.run_id)
            if entry.user_message
        ]

    def diff(self, other: "RunHandle | Manifest | RunDirectory | str") -> "Difference":
        """What differs between this run (a) and another one (b)."""
        from axiom_dagster.comparison import diff

        return diff(self, other, self.instance)

    def verify(self, updates: int | None = None, *, values: Mapping[str, Any] = MappingProxyType({})) -> "Verification":
        """Repeat the training, or its first `updates`, in a process of its own beside its record; `axiom verify`.

        `values` change the spec that is repeated, by dotted paths or nested: where the bits part tells what they do.
        """
        from axiom_dagster.overriding import assignments
        from resources.verifying import verification_of

        return verification_of(RunDirectory(self.directory), updates, assignments(values))

    def replay(
        self, tag: str | None = None, *, compute: "LocalCompute | InProcessCompute | Compute | None" = None
    ) -> "RunHandle":
        """Run this run's spec once more with the sources that it kept; warns of all that differs now."""
        from axiom_dagster.replaying import replay

        return replay(self, tag, compute=compute)

    def cancel(self) -> bool:
        """Stop the run and its trainer; false if it has ended already or nobody can be told to stop."""
        run = self._record.dagster_run
        if run.is_finished:
            return False
        process, worker = run.tags.get(PROCESS_TAG), worker_of(run)
        if process is None or worker not in (None, process):
            return _told_by_its_code_server(self.instance, self.run_id)
        if not is_here(process):
            return False
        self.instance.report_run_canceling(run)
        if has_ended(process):
            self.instance.report_run_canceled(run, "its process had ended without a word")
            return True
        return interrupt(process)

    @property
    def _record(self) -> dg.RunRecord:
        record = self.instance.get_run_record_by_id(self.run_id)
        if record is None:
            raise Refused.one("run_id", self.run_id, "this Dagster instance knows no such run")
        return record


def _told_by_its_code_server(instance: dg.DagsterInstance, run_id: str) -> bool:
    from dagster._core.errors import DagsterUserCodeUnreachableError

    try:
        return instance.run_coordinator.cancel_run(run_id)
    except DagsterUserCodeUnreachableError as gone:
        logger.warning("run %s cannot be told to stop, its code server is gone: %s", run_id, gone)
        return False


def all_runs(instance: dg.DagsterInstance | None = None, limit: int | None = None) -> list[RunHandle]:
    """Every run of a stage on the home's Dagster instance, newest first, whoever launched it."""
    instance = instance or dagster_instance()
    return [RunHandle(run.run_id, instance) for run in instance.get_runs(limit=limit)]


def name_of(record: dg.RunRecord) -> str:
    """The instance name of the run; of one that has not begun and does not train, its id."""
    run = record.dagster_run
    if tagged := run.tags.get(INSTANCE_NAME_TAG):
        return tagged
    if cell := Cell.of(run.tags):
        return instance_name(cell.experiment, record)
    config = _stage_config(run, "train")
    return run.run_id if config is None else instance_name(config.get("name", TrainAndEvalSpec().name), record)


def directory_of(record: dg.RunRecord) -> RunDirectory:
    """The run directory; not there before the first stage begins."""
    return RunDirectory(axiom_home() / "runs" / name_of(record))


def status_of(status: dg.DagsterRunStatus) -> RunStatus:
    """Dagster's status in our words."""
    return STATUS.get(status, "queued")


def _stage_config(run: dg.DagsterRun, stage: str) -> dict[str, Any] | None:
    selected = run.asset_selection
    if selected is not None and dg.AssetKey(stage) not in selected:
        return None
    config = cast("dict[str, Any]", run.run_config)
    return config.get("ops", {}).get(stage, {}).get("config", {})


def _by_id(name: str, instance: dg.DagsterInstance) -> RunHandle | None:
    """The run of this name that has not begun, which ends as its id begins; else the only one whose id begins so."""
    ids: Sequence[str] = instance.get_run_ids() if name else ()
    for run_id in ids:
        if run_id.startswith(name.rpartition("-")[2]) and RunHandle(run_id, instance).instance_name == name:
            return RunHandle(run_id, instance)
    found = [run_id for run_id in ids if run_id.startswith(name)]
    return RunHandle(found[0], instance) if len(found) == 1 else None


def _words(events: Sequence[dg.EventLogEntry]) -> Iterator[str]:
    for entry in events:
        event = entry.dagster_event
        if event is None or not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            yield data.user_failure_data.description
        elif data.error:
            yield (data.error.cause or data.error).message.strip()
    yield from (entry.user_message for entry in events)
