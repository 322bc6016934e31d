"""Runs a stage in Dagster's own process, for debuggers and tests; it imports the trainer's engine only when it runs."""

import importlib
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from resources.refusing import refusals_fail_the_step
from resources.wandb.resource import in_environment, wandb_variables
from trainer.algorithm.overrides import Replacement
from trainer.contract import Manifest, Progress, Refused, RunDirectory, Stage, redacted
from trainer.pipeline import Hook

SECONDS_BETWEEN_LINES = 2.0
NO_FUNCTIONS: Mapping[str, Replacement] = MappingProxyType({})
NO_HOOKS: Mapping[str, Sequence[Hook]] = MappingProxyType({})


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
        return self.run_with(NO_FUNCTIONS, NO_HOOKS, context, stage, run_directory, train_manifest)

    def run_with(
        self,
        functions: Mapping[str, Replacement],
        hooks: Mapping[str, Sequence[Hook]],
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None,
    ) -> Manifest:
        """The same with overrides and with hooks, by path, that exist in this process only."""
        entry = importlib.import_module(self.module)
        reporter = LogReporter(context.log)
        run_id = context.run.run_id
        with refusals_fail_the_step(), _secrets_masked(), in_environment(wandb_variables(context)):
            return entry.run_stage(
                stage,
                run_directory,
                reporter,
                train_manifest=train_manifest,
                run_id=run_id,
                functions=functions,
                hooks=hooks,
            )


class FunctionsCompute:
    """The trainer in Dagster's own process, because `functions` and `hooks`, by their paths, exist nowhere else."""

    def __init__(
        self,
        functions: Mapping[str, Replacement],
        compute: InProcessCompute,
        hooks: Mapping[str, Sequence[Hook]] = NO_HOOKS,
    ) -> None:
        self.functions, self.hooks = functions, hooks
        self._compute = compute

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """See `Compute.run`."""
        return self._compute.run_with(self.functions, self.hooks, context, stage, run_directory, train_manifest)


def functions_of(compute: Any) -> Mapping[str, Replacement]:
    """The overrides that a compute resource holds and no other process has; of most computes, none."""
    return compute.functions if isinstance(compute, FunctionsCompute) else NO_FUNCTIONS


def hooks_of(compute: Any) -> Mapping[str, Sequence[Hook]]:
    """The hooks that a compute resource holds, by path; of most computes, none."""
    return compute.hooks if isinstance(compute, FunctionsCompute) else NO_HOOKS
