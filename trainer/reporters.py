"""How a stage's words reach whoever waits: a progress bar, JSON lines, or Dagster Pipes; never what they say."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster_pipes import PipesContext
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

from trainer.contract import Progress, Reporter

SECONDS_BETWEEN = 2.0


class Pace:
    """Lets through what is at least `SECONDS_BETWEEN` after the last, and always the end."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, progress: Progress) -> bool:
        """Whether this one is due."""
        now = time.monotonic()
        if now < self._next and progress.done < progress.total:
            return False
        self._next = now + SECONDS_BETWEEN
        return True


class TerminalReporter:
    """A progress bar for people."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def progress(self, progress: Progress) -> None:
        """Move the stage's bar."""
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bar.add_task(progress.stage, numbers="")
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items())
        self._bar.update(
            self._tasks[progress.stage],
            completed=progress.done,
            total=progress.total,
            numbers=f"{progress.steps_per_second:,.0f} steps/s  {numbers}",
        )

    def log(self, message: str) -> None:
        """Print above the bar."""
        self._bar.console.print(message, markup=False)


class LineReporter:
    """JSON lines on standard output for programs."""

    def __init__(self) -> None:
        self._due = Pace()

    def progress(self, progress: Progress) -> None:
        """One line at each pace."""
        if self._due(progress):
            self._write({"progress": progress.plain()})

    def log(self, message: str) -> None:
        """One line."""
        self._write({"log": message})

    def _write(self, message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


class PipesReporter:
    """Log lines and messages for the Dagster run that waits."""

    def __init__(self, pipes: PipesContext) -> None:
        self._pipes = pipes
        self._due = Pace()

    def progress(self, progress: Progress) -> None:
        """A log line, and the same as data."""
        if self._due(progress):
            self._pipes.log.info(str(progress))
            self._pipes.report_custom_message({"progress": progress.plain()})

    def log(self, message: str) -> None:
        """A log line."""
        self._pipes.log.info(message)


@contextmanager
def reporter_for(pipes: PipesContext | None) -> Iterator[Reporter]:
    """Pipes under Dagster, a bar on a terminal, lines otherwise."""
    if pipes is not None:
        yield PipesReporter(pipes)
    elif sys.stdout.isatty():
        name = TextColumn("{task.description}", table_column=Column(min_width=len("evaluate"), no_wrap=True))
        numbers = TextColumn("{task.fields[numbers]}", table_column=Column(ratio=1, no_wrap=True))
        columns = (name, BarColumn(20), TaskProgressColumn(), TimeRemainingColumn(compact=True), numbers)
        with Bar(*columns, console=Console(), expand=True) as bar:
            yield TerminalReporter(bar)
    else:
        yield LineReporter()
