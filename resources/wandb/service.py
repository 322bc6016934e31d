"""Runs as analysis asks for them: by experiment or id, as tables; from the server, or honestly from local files."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from resources.wandb.local_source import LocalSource
from resources.wandb.online_source import OnlineSource
from resources.wandb.source import RunSource, Unreachable, Wanted
from resources.wandb.tables import LogRow, MetricsRow, Row, RunRow, StatusRow, Table
from trainer.contract import Refused, nearest
from trainer.contract.tracking import has_key, server_of

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R", bound=Row)


class WandbService:
    """Answers from `online`, or from `local` where there is none or it cannot be asked; every answer says which.

    Raises `Refused` for an experiment or a run that the source does not know, with the nearest names.
    """

    def __init__(self, online: RunSource | None, local: RunSource) -> None:
        self._online, self._local = online, local

    def get_runs_for_experiment(self, experiment: str) -> Table[RunRow]:
        """Every tracked stage of every run of the experiment."""
        return self._ask(lambda source: Table(tuple(_of_experiment(source, experiment)), source.name))

    def find_training_jobs(
        self, experiment: str | None = None, tags: Sequence[str] = (), status: str | None = None
    ) -> Table[RunRow]:
        """The trainings that fit: of this experiment, with all these tags, in this state; nothing where none does."""
        wanted = Wanted(experiment=experiment, stage="train", status=status, tags=tuple(tags))
        return self._ask(lambda source: Table(tuple(source.runs(wanted)), source.name))

    def fetch_metrics_data(self, run_ids: Iterable[str], keys: Sequence[str] | None = None) -> Table[MetricsRow]:
        """The numbers of these runs, update by update; `keys`: no others than these metrics, missing ones left out."""
        wanted = tuple(run_ids)

        def answer(source: RunSource) -> Table[MetricsRow]:
            _require_known(source, wanted)
            rows = (row for run_id in wanted for row in source.metrics(run_id))
            return Table(tuple(_only(row, keys) for row in rows), source.name)

        return self._ask(answer)

    def get_run_statuses(self, run_ids: Iterable[str]) -> Table[StatusRow]:
        """How each of these runs stands, in their order."""
        wanted = tuple(run_ids)

        def answer(source: RunSource) -> Table[StatusRow]:
            known = _require_known(source, wanted)
            return Table(tuple(StatusRow(run_id, known[run_id].status) for run_id in wanted), source.name)

        return self._ask(answer)

    def get_run_config(self, run_id: str) -> dict[str, Any]:
        """The run's spec as JSON types."""

        def answer(source: RunSource) -> dict[str, Any]:
            _require_known(source, (run_id,))
            return source.config(run_id)

        return self._ask(answer)

    def get_training_logs(self, run_id: str) -> Table[LogRow]:
        """What the stage printed. W&B has none of it for trainings of ours: then local files answer, and say so."""

        def answer(source: RunSource) -> Table[LogRow]:
            _require_known(source, (run_id,))
            return Table(tuple(source.logs(run_id)), source.name)

        found = self._ask(answer)
        if not found.rows and found.source == "online" and any(self._local.runs(Wanted(run_ids=(run_id,)))):
            return answer(self._local)
        return found

    def _ask(self, question: Callable[[RunSource], T]) -> T:
        if self._online is not None:
            try:
                return question(self._online)
            except Unreachable as error:
                log.warning("%s; answering from local files", error)
        return question(self._local)


def get_wandb_service(
    home: Path | None = None,
    project: str = "axiom",
    entity: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 20.0,
) -> WandbService:
    """The service on the W&B server that this machine has a key for; without a key, on the runs of the home."""
    environment = os.environ if environment is None else environment
    local = LocalSource(home)
    if has_key(environment):
        return WandbService(OnlineSource(project, entity, environment, timeout_seconds), local)
    log.warning("no key for %s: answering from local files", server_of(environment))
    return WandbService(None, local)


def _of_experiment(source: RunSource, experiment: str) -> Iterator[RunRow]:
    found = list(source.runs(Wanted(experiment=experiment)))
    if not found:
        known = {row.experiment for row in source.runs(Wanted())}
        hint = nearest(experiment, known) if known else "no run is known at all"
        why = f"no run of it is known ({source.name}); {hint}"
        raise Refused.one("experiment", experiment, why)
    yield from found


def _require_known(source: RunSource, run_ids: tuple[str, ...]) -> dict[str, RunRow]:
    known = {row.run_id: row for row in source.runs(Wanted(run_ids=run_ids))}
    for run_id in run_ids:
        if run_id not in known:
            names = [row.run_id for row in source.runs(Wanted())]
            raise Refused.one("run", run_id, f"is not known ({source.name}); {nearest(run_id, names)}")
    return known


def _only(row: MetricsRow, keys: Sequence[str] | None) -> MetricsRow:
    if keys is None:
        return row
    values = {name: value for name, value in row.values.items() if name in keys}
    return MetricsRow(row.run_id, row.update, row.agent_steps, values)
