"""Answers about tracked runs from a W&B server, by the official client; the one module of this side that loads it."""

import os
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any

from resources.wandb.local_source import metrics_row
from resources.wandb.source import Unreachable, Wanted
from resources.wandb.tables import LogRow, MetricsRow, RunRow, SourceName
from trainer.contract import Refused, TrainAndEvalSpec, redacted
from trainer.contract.tracking import KEY, require_reachable, server_of

CONSOLE = "output.log"


class OnlineSource:
    """The runs of one project of one entity (none: the key's own)."""

    def __init__(
        self, project: str, entity: str | None, environment: Mapping[str, str], timeout_seconds: float = 20.0
    ) -> None:
        self._project, self._entity, self._environment = project, entity, environment
        self._timeout_seconds = timeout_seconds

    @property
    def name(self) -> SourceName:
        """`online`."""
        return "online"

    def runs(self, wanted: Wanted) -> Iterator[RunRow]:
        """The server does the searching."""
        with self._asking():
            found = self._api.runs(self._path, filters=_filters(wanted), order="+created_at")
            rows = sorted((self._row(run) for run in found), key=lambda row: row.run_id)
        yield from (row for row in rows if wanted.fits(row))

    def metrics(self, run_id: str) -> Iterator[MetricsRow]:
        """The whole history, not a sample; in order of updates."""
        with self._asking():
            rows = [row for row in self._run(run_id).scan_history() if row.get("update") is not None]
        yield from (metrics_row(run_id, row) for row in sorted(rows, key=lambda row: row["update"]))

    def config(self, run_id: str) -> dict[str, Any]:
        """The run's config, without what tells of the code; W&B drops what is empty, which a spec of ours has again."""
        with self._asking():
            config = {name: value for name, value in self._run(run_id).config.items() if name != "axiom"}
        try:
            return TrainAndEvalSpec.accept(config).plain()
        except Refused:
            return config

    def logs(self, run_id: str) -> Iterator[LogRow]:
        """The run's console file; our own trainings send none, since it may hold anything."""
        with self._asking(), TemporaryDirectory(prefix="axiom-wandb-") as folder:
            files = [file for file in self._run(run_id).files([CONSOLE]) if file.name == CONSOLE]
            text = files[0].download(root=folder, replace=True).read() if files else ""
        for number, line in enumerate(text.splitlines(), 1):
            yield LogRow(run_id, number, line)

    @cached_property
    def _api(self) -> Any:
        server = server_of(self._environment)
        require_reachable(server)
        # W&B would report errors, its own and ours, to a third party.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        overrides = {"base_url": server, "project": self._project, "entity": self._entity}
        settings = {name: value for name, value in overrides.items() if value}
        return wandb.Api(
            overrides=settings, timeout=round(self._timeout_seconds), api_key=self._environment.get(KEY) or None
        )

    @property
    def _path(self) -> str:
        return f"{self._entity or self._api.default_entity}/{self._project}"

    def _run(self, run_id: str) -> Any:
        return self._api.run(f"{self._path}/{run_id}")

    def _row(self, run: Any) -> RunRow:
        return RunRow(
            run_id=run.id,
            experiment=run.group or "",
            stage=run.job_type or "",
            status=run.state,
            tags=tuple(run.tags or ()),
            project=self._project,
            url=run.url,
        )

    @contextmanager
    def _asking(self) -> Generator[None]:
        """Whatever the client raises says that the server cannot be asked."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the client warns of its own code
                yield
        except Refused:
            raise
        except Exception as error:
            why = redacted(f"{type(error).__name__}: {error}")
            raise Unreachable(f"W&B at {server_of(self._environment)}: {why}") from error


def _filters(wanted: Wanted) -> dict[str, Any]:
    """MongoDB's words, as W&B takes them."""
    named = {"group": wanted.experiment, "jobType": wanted.stage, "state": wanted.status}
    filters: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if wanted.tags:
        filters["tags"] = {"$all": list(wanted.tags)}
    if wanted.run_ids is not None:
        filters["name"] = {"$in": list(wanted.run_ids)}
    return filters
