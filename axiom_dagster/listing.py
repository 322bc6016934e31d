"""Runs as lines of a list, found by Dagster's own records and tags; it opens the manifests of those lines and no other.

So a list takes as long among ten thousand runs as among a hundred.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import dagster as dg

from axiom_dagster.run_handle import RunStatus, directory_of, name_of, status_of
from resources.home import dagster_instance
from trainer.contract import Manifest, Refused, RunDirectory, read_manifest

TAG, EXPERIMENT_TAG, SEED_TAG, VARIANT_TAG = "axiom/tag", "axiom/experiment", "axiom/seed", "axiom/variant"
NEWEST_FIRST = ("analyze", "evaluate", "train")
Order = Literal["created", "reward", "experiment", "status", "duration"]


@dataclass(frozen=True)
class Line:
    """One run, as it was when the list was made; what is not known, or not yet, is none."""

    instance_name: str
    status: RunStatus
    tag: str | None
    created_at: datetime
    run_id: str
    experiment: str | None
    variant: str | None
    seed: int | None
    duration_seconds: float | None
    steps_per_second: float | None
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


def in_order(found: Iterable[Line], order: Order, *, reverse: bool = False) -> list[Line]:
    """The lines, the highest reward or the longest duration first, words from a to z; `reverse`: the other way round.

    Lines of equal rank stay as they were. Those of which it is not known are last, either way.
    """
    rank, highest_first = _RANKS[order]
    known, unknown = list[tuple[Any, Line]](), list[Line]()
    for line in found:
        value = rank(line)
        unknown.append(line) if value is None else known.append((value, line))
    known.sort(key=lambda pair: pair[0], reverse=highest_first != reverse)
    return [*(line for _, line in known), *unknown]


def overall_reward(line: Line) -> float | None:
    """The mean over the run's simulations; none where it has none."""
    rewards = line.mean_reward.values()
    return sum(rewards) / len(rewards) if rewards else None


_RANKS: Mapping[Order, tuple[Callable[[Line], Any], bool]] = {
    "created": (lambda line: line.created_at, True),
    "reward": (overall_reward, True),
    "duration": (lambda line: line.duration_seconds, True),
    "experiment": (lambda line: line.experiment, False),
    "status": (lambda line: line.status, False),
}


def _line(record: dg.RunRecord) -> Line:
    run = record.dagster_run
    manifest = _newest_manifest(directory_of(record))
    seed = run.tags.get(SEED_TAG, "")
    return Line(
        instance_name=name_of(record),
        status=status_of(run.status),
        tag=run.tags.get(TAG),
        created_at=record.create_timestamp.astimezone(UTC),
        run_id=run.run_id,
        experiment=run.tags.get(EXPERIMENT_TAG),
        variant=run.tags.get(VARIANT_TAG),
        seed=int(seed) if seed.isdecimal() else None,
        duration_seconds=_duration(record),
        steps_per_second=manifest.metrics.get("steps_per_second") if manifest else None,
        mean_reward={name: each.mean_reward for name, each in manifest.eval_results.items()} if manifest else {},
    )


def _duration(record: dg.RunRecord) -> float | None:
    """From its start to its end, or until now; Dagster's clock."""
    if record.start_time is None:
        return None
    return (record.end_time or datetime.now(UTC).timestamp()) - record.start_time


def _newest_manifest(run: RunDirectory) -> Manifest | None:
    """Of the last stage that has one, which repeats what the earlier ones found; none where it cannot be read."""
    files = [file for stage in NEWEST_FIRST if (file := run.manifest_file(stage)).exists()]
    try:
        return read_manifest(files[0]) if files else None
    except Refused:
        return None
