"""Who works on a stage of a run: each attempt in a line of its own, the last one alone may go on; it ends no process.

A process that was thought dead may come back after another has taken its place. It sees that its line is no longer the
last one, and stops without a trace.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from trainer.contract.manifest import Stage
from trainer.contract.processes import this_process
from trainer.contract.run_directory import RunDirectory
from trainer.plain.model import FrozenModel


class Superseded(BaseException):
    """A later attempt has taken this one's place; not an Exception, so that nothing on the way records a failure."""


class Attempt(FrozenModel):
    """One try at a stage of a run."""

    number: int = Field(description="Counted from 1.")
    stage: Stage = Field(description="Which stage.")
    process: str = Field(description="`host pid start` of the process that works on it.")
    run_id: str | None = Field(default=None, description="Dagster's run, if it runs under Dagster.")
    started_at: datetime = Field(description="When it began (UTC).")


class Lease:
    """An attempt that goes on for as long as no later one begins."""

    def __init__(self, file: Path, attempt: Attempt) -> None:
        self.attempt = attempt
        self._file = file
        self._size = file.stat().st_size

    def hold(self) -> None:
        """Raise `Superseded` if a later attempt has begun."""
        if self._file.stat().st_size != self._size:
            raise Superseded(f"attempt {self.attempt.number} at {self.attempt.stage} has been taken over: {self._file}")


def begin_attempt(run: RunDirectory, stage: Stage, run_id: str | None) -> Lease:
    """Begin the next attempt at a stage: from now on every earlier one is superseded."""
    file = attempts_file(run, stage)
    file.parent.mkdir(parents=True, exist_ok=True)
    number = len(attempts(run, stage)) + 1
    process, now = this_process(), datetime.now(UTC)
    attempt = Attempt(number=number, stage=stage, process=process, run_id=run_id, started_at=now)
    with file.open("a") as lines:
        lines.write(json.dumps(attempt.plain()) + "\n")
    return Lease(file, attempt)


def attempts(run: RunDirectory, stage: Stage) -> list[Attempt]:
    """All attempts at a stage, the last one last; a line that was torn by a crash counts for none."""
    file = attempts_file(run, stage)
    found: list[Attempt] = []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            found.append(Attempt.accept(json.loads(line)))
        except ValueError:
            continue
    return found


def attempts_file(run: RunDirectory, stage: Stage) -> Path:
    """Where the attempts at a stage are written."""
    return run.stage(stage) / "attempts.jsonl"
