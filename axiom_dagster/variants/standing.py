"""How far every run of an experiment of many is, as Dagster's records tell; it changes none of them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from axiom_dagster.lost_retries import RETRIED_AS_TAG, WILL_RETRY_TAG
from axiom_dagster.run_handle import RunHandle, RunStatus, status_of
from resources.declarations import Declaration
from resources.matrix import JOB, PARTITION_TAG, SPEC_HASH_TAG, VARIANT_DIMENSION, Cell

StandingStatus = RunStatus | Literal["missing"]
UNDER_WAY: tuple[StandingStatus, ...] = ("queued", "running", "cancelling")
TO_DO: tuple[StandingStatus, ...] = ("missing", "failed", "cancelled")
RETRY_SECONDS = 60.0  # Dagster's daemon retries a crashed run within this time, or has overlooked it.


@dataclass(frozen=True)
class Standing:
    """One run of the experiment: its place, the spec that is declared for it, and the run that counts, if any."""

    cell: Cell
    spec_hash: str
    status: StandingStatus
    run: RunHandle | None = None
    created: bool = False
    """Whether the run was made and never put into the queue: whoever launched it was killed in between."""

    @property
    def variant(self) -> str:
        """Its variant's name."""
        return self.cell.variant

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.cell.seed


def is_to_do(standing: Standing) -> bool:
    """Whether a launch would put it into the queue."""
    return standing.created or standing.status in TO_DO


def standings(declaration: Declaration, instance: dg.DagsterInstance) -> list[Standing]:
    """Every declared run, in order. A run of another spec than the declared one does not count.

    Of several runs of one spec that counts which succeeded, else which is under way, else the newest.
    """
    declared = _declared(declaration)
    counting = _counting(declared, instance)
    return [_standing(cell, spec_hash, counting.get(cell), instance) for cell, spec_hash in declared.items()]


def unknown_standings(declaration: Declaration) -> list[Standing]:
    """Every declared run where there are no records."""
    return [Standing(cell, spec_hash, "missing") for cell, spec_hash in _declared(declaration).items()]


def _declared(declaration: Declaration) -> dict[Cell, str]:
    return {Cell(declaration.name, run.variant, run.seed): _hash(run.spec.spec_hash) for run in declaration.runs}


def _counting(declared: Mapping[Cell, str], instance: dg.DagsterInstance) -> dict[Cell, dg.RunRecord]:
    found: dict[Cell, dg.RunRecord] = {}
    for record in _records(sorted({cell.row for cell in declared}), instance):  # newest first
        tags = record.dagster_run.tags
        cell = Cell.of(tags)
        # A backfill from the UI is launched for whatever is declared when it begins.
        if cell is not None and cell in declared and tags.get(SPEC_HASH_TAG, declared[cell]) == declared[cell]:
            found[cell] = max(found.get(cell, record), record, key=_weight)
    return found


def _records(rows: Sequence[str], instance: dg.DagsterInstance) -> Iterable[dg.RunRecord]:
    wanted = dg.RunsFilter(job_name=JOB, tags={f"{PARTITION_TAG}/{VARIANT_DIMENSION}": rows})
    return instance.get_run_records(wanted)


def _weight(record: dg.RunRecord) -> int:
    status = status_of(record.dagster_run.status)
    return 2 if status == "succeeded" else int(status in UNDER_WAY)


def _standing(cell: Cell, spec_hash: str, record: dg.RunRecord | None, instance: dg.DagsterInstance) -> Standing:
    if record is None:
        return Standing(cell, spec_hash, "missing")
    run = record.dagster_run
    status = "queued" if _is_retried_soon(record) else status_of(run.status)
    created = run.status is dg.DagsterRunStatus.NOT_STARTED
    return Standing(cell, spec_hash, status, RunHandle(run.run_id, instance), created)


def _is_retried_soon(record: dg.RunRecord) -> bool:
    """Whether Dagster is about to run a crashed run again by itself."""
    run, tags = record.dagster_run, record.dagster_run.tags
    failed = run.status is dg.DagsterRunStatus.FAILURE and tags.get(WILL_RETRY_TAG) == "true"
    return failed and RETRIED_AS_TAG not in tags and time.time() - (record.end_time or 0.0) < RETRY_SECONDS


def _hash(spec_hash: str) -> str:
    return spec_hash.removeprefix("sha256:")
