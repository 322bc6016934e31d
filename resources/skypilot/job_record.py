"""What is known of a stage's job, kept in its run directory, and who watches it; it never asks SkyPilot anything.

`skypilot/job.json` says what was intended before it was done, so that whoever comes after a crash looks for it first.
"""

import fcntl
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from resources.skypilot.remote import Mode, RemoteJob
from trainer.contract import Attempt, Lease, RunDirectory, Stage, this_process, write_text
from trainer.plain.model import FrozenModel


class JobRecord(FrozenModel):
    """A stage's job as this machine knows it; `launches` counts the requests that were sent for it."""

    name: str = Field(description="Our own id of the job.")
    mode: Mode = Field(description="A managed job, or a job on a named cluster.")
    cluster: str | None = Field(default=None, description="The named cluster; none: managed.")
    state: Literal["intended", "requested", "launched"] = Field(description="How far the last launch has come.")
    launches: int = Field(default=1, ge=1, description="Launches so far; more than one only after a job had ended.")
    run_id: str = Field(description="The Dagster run that launched it last.")
    retry_number: int = Field(default=0, ge=0, description="Which try of that run's step launched it, counted from 0.")
    intended_at: datetime = Field(description="When the last launch was begun (UTC).")
    request_id: str | None = Field(default=None, description="SkyPilot's id of the launch request.")
    job: RemoteJob | None = Field(default=None, description="The job as it was seen last.")
    dollars_per_hour: float | None = Field(default=None, description="Its price, as far as it was known at launch.")


@dataclass(frozen=True)
class JobFolder:
    """`<run>/<stage>/skypilot`: the record, the log's cursor, the staged code."""

    path: Path
    stage: Stage

    @classmethod
    def of(cls, run: RunDirectory, stage: Stage) -> "JobFolder":
        """The folder of a stage's job, made if it is missing."""
        folder = cls(run.stage(stage) / "skypilot", stage)
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def record_file(self) -> Path:
        """The record."""
        return self.path / "job.json"

    @property
    def cursor_file(self) -> Path:
        """How far the job's log has been read."""
        return self.path / "cursor.json"

    @property
    def console(self) -> Path:
        """What the job printed besides messages."""
        return self.path / "console.log"

    @property
    def workdir(self) -> Path:
        """The code on its way to the job."""
        return self.path / "workdir"

    def read(self) -> JobRecord | None:
        """The record; none where nothing was ever intended. It is written whole or not at all."""
        file = self.record_file
        return JobRecord.accept(json.loads(file.read_text())) if file.exists() else None

    def write(self, record: JobRecord, **changes: Any) -> JobRecord:
        """Write the record with some fields changed; returns it as it is now."""
        changed = record.model_copy(update=changes)
        write_text(self.record_file, json.dumps(changed.plain(), indent=2) + "\n")
        return changed

    def watch(self, run_id: str) -> Lease:
        """Be the one who watches: whoever did so far sees it when it looks next, and leaves."""
        file = self.path / "watchers.jsonl"
        number = len(file.read_text().splitlines()) + 1 if file.exists() else 1
        attempt = Attempt(
            number=number, stage=self.stage, process=this_process(), run_id=run_id, started_at=datetime.now(UTC)
        )
        with file.open("a") as lines:
            lines.write(json.dumps(attempt.plain()) + "\n")
        return Lease(file, attempt)

    @contextmanager
    def launching(self) -> Generator[None]:
        """Alone among this machine's processes for as long as the block: look, then launch.

        The lock ends with the process that holds it, however it ends.
        """
        with (self.path / "launch.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
