"""Runs as lines of a list, found by Dagster's own records and tags; it opens the manifests of those lines and no other.

So a list takes as long among ten thousand runs as among a hundred.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from axiom_dagster.run_handle import RunStatus, directory_of, name_of, status_of
from resources.home import dagster_instance
from trainer.contract import Refused, RunDirectory, read_manifest

TAG, EXPERIMENT_TAG, SEED_TAG = "axiom/tag", "axiom/experiment", "axiom/seed"
WITH_REWARDS = ("analyze", "evaluate")


@dataclass(frozen=True)
class Line:
    """One run, as it was when the list was made."""

    instance_name: str
    status: RunStatus
    tag: str | None
    created_at: datetime
    run_id: str
    mean_reward: dict[str, float]

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types."""
        return asdict(self) | {"created_at": self.created_at.isoformat(timespec="seconds")}


@dataclass(frozen=True)
class Wanted:
    """Which runs; whatever is left out does not matter. A run has its tags once its first stage has begun."""

    experiment: str | None = None
    status: RunStatus | None = None
    seed: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def filter(self) -> dg.RunsFilter:
        """The same for Dagster's run storage."""
        named = {EXPERIMENT_TAG: self.experiment, SEED_TAG: None if self.seed is None else str(self.seed)}
        tags = {**self.tags, **{key: value for key, value in named.items() if value is not None}}
        statuses = [each for each in dg.DagsterRunStatus if status_of(each) == self.status]
        return dg.RunsFilter(tags=tags, statuses=statuses)


def lines(
    wanted: Wanted | None = None,
    *,
    limit: int | None = None,
    oldest_first: bool = False,
    instance: dg.DagsterInstance | None = None,
) -> list[Line]:
    """The wanted runs of the home's Dagster instance, newest first, whoever launched them; no more than `limit`."""
    instance = instance or dagster_instance()
    found = instance.get_run_records((wanted or Wanted()).filter(), limit=limit, ascending=oldest_first)
    return [_line(record) for record in found]


def _line(record: dg.RunRecord) -> Line:
    run = record.dagster_run
    return Line(
        instance_name=name_of(record),
        status=status_of(run.status),
        tag=run.tags.get(TAG),
        created_at=record.create_timestamp.astimezone(UTC),
        run_id=run.run_id,
        mean_reward=_mean_reward(directory_of(record)),
    )


def _mean_reward(run: RunDirectory) -> dict[str, float]:
    """Of each simulation, by the last stage that knows; nothing where its manifest cannot be read."""
    files = [file for stage in WITH_REWARDS if (file := run.manifest_file(stage)).exists()]
    try:
        results = read_manifest(files[0]).eval_results if files else {}
    except Refused:
        return {}
    return {name: result.mean_reward for name, result in results.items()}
