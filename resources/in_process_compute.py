"""Runs a stage in Dagster's own process, for debuggers and tests; it imports the trainer's engine only when it runs."""

import importlib
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from resources.refusing import refusals_fail_the_step
from trainer.contract import Manifest, Progress, Refused, RunDirectory, Stage, redacted

SECONDS_BETWEEN_LINES = 2.0


class LogReporter:
    """Writes a stage's words to the run's log; progress at most every two seconds."""

    def __init__(self, log: dg.DagsterLogManager) -> None:
        self._log = log
        self._last = float("-inf")

    def progress(self, progress: Progress) -> None:
        """Log it, unless the last line is too young and this is not the end."""
        now = time.monotonic()
        if progress.done >= progress.total or now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._log.info(str(progress))

    def log(self, message: str) -> None:
        """Log one line."""
        self._log.info(message)


@contextmanager
def _secrets_masked() -> Generator[None]:
    """Let errors through as they are, unless their text holds a secret: Dagster would keep it in its event log."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if redacted(text) == text:
            raise
        raise dg.Failure(redacted(text)) from None


class InProcessCompute(dg.Config):
    """The trainer in Dagster's own process: breakpoints work; a crash takes the run's worker along."""

    kind: Literal["in_process"] = "in_process"
    module: str = Field(default="trainer.entry", description="Module whose `run_stage` runs a stage.")

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """See `Compute.run`."""
        entry = importlib.import_module(self.module)
        reporter = LogReporter(context.log)
        with refusals_fail_the_step(), _secrets_masked():
            return entry.run_stage(
                stage, run_directory, reporter, train_manifest=train_manifest, run_id=context.run.run_id
            )
