"""The seam of whoever can answer about tracked runs; it never says which source is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from resources.wandb.tables import LogRow, MetricsRow, RunRow, SourceName


class Unreachable(ConnectionError):
    """The source cannot be asked now: no network, a wrong key, an error of the server."""


@dataclass(frozen=True)
class Wanted:
    """Which runs; whatever is left out does not matter. Of `tags`, all; of `run_ids`, any."""

    experiment: str | None = None
    stage: str | None = None
    status: str | None = None
    tags: tuple[str, ...] = ()
    run_ids: tuple[str, ...] | None = None

    def fits(self, row: RunRow) -> bool:
        """Whether a run is wanted."""
        named = (self.experiment, row.experiment), (self.stage, row.stage), (self.status, row.status)
        return (
            all(wanted in (None, found) for wanted, found in named)
            and set(self.tags) <= set(row.tags)
            and (self.run_ids is None or row.run_id in self.run_ids)
        )


class RunSource(Protocol):
    """Answers about runs. Every call may raise `Unreachable`; those about one run expect that it is there."""

    @property
    def name(self) -> SourceName:
        """`online` or `local`."""
        ...

    def runs(self, wanted: Wanted) -> Iterator[RunRow]:
        """The wanted runs, by id."""
        ...

    def metrics(self, run_id: str) -> Iterator[MetricsRow]:
        """All numbers of a training, update by update, without missing ones."""
        ...

    def config(self, run_id: str) -> dict[str, Any]:
        """The run's spec as JSON types."""
        ...

    def logs(self, run_id: str) -> Iterator[LogRow]:
        """What the stage printed; nothing where that was not kept there."""
        ...
