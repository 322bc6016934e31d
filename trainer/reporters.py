"""How a stage's words reach whoever waits: a progress bar, JSON lines, or Dagster Pipes; never what they say."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import Any, TextIO

from dagster_pipes import (
    PipesContext,
    PipesEnvVarParamsLoader,
    PipesMessage,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    PipesParams,
    open_dagster_pipes,
)
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

from trainer.contract import Progress, Reporter
from trainer.contract.frames import Frames

WARNING = "WARNING: "
MESSAGES_VARIABLE, FRAMES = "AXIOM_MESSAGES", "frames"
SECONDS_BETWEEN, SECONDS_BETWEEN_FRAMES = 2.0, 5.0
SECONDS_BETWEEN_HEARTBEATS = 30.0


class Pace:
    """Lets through what is at least `seconds` after the last, and always the end."""

    def __init__(self, seconds: float = SECONDS_BETWEEN) -> None:
        self._seconds = seconds
        self._next = 0.0

    def __call__(self, progress: Progress) -> bool:
        """Whether this one is due."""
        now = time.monotonic()
        if now < self._next and progress.done < progress.total:
            return False
        self._next = now + self._seconds
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

    def __init__(self, pipes: PipesContext, seconds_between: float = SECONDS_BETWEEN) -> None:
        self._pipes = pipes
        self._due = Pace(seconds_between)

    def progress(self, progress: Progress) -> None:
        """A log line, and the same as data."""
        if self._due(progress):
            self._pipes.log.info(str(progress))
            self._pipes.report_custom_message({"progress": progress.plain()})

    def log(self, message: str) -> None:
        """A log line, a warning where it says so."""
        say = self._pipes.log.warning if message.startswith(WARNING) else self._pipes.log.info
        say(message.removeprefix(WARNING))


class SilentReporter:
    """Says nothing: of several processes that train one agent, the first speaks for all."""

    def progress(self, progress: Progress) -> None:
        """Nothing."""

    def log(self, message: str) -> None:
        """Nothing."""


class FrameChannel(PipesMessageWriterChannel):
    """Pipes messages as frames among whatever else a process prints; from any thread, each line whole."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._frames, self._lock = stream, Frames(), threading.Lock()
        self._due: deque[str] = deque()

    def write_message(self, message: PipesMessage) -> None:
        """Write and flush the message, line by line.

        Where a signal's exception interrupts it, the next message goes on with the line that was interrupted.
        """
        with self._lock:
            self._due.extend(self._frames.write(message))
            while self._due:
                self._stream.write(f"{self._due[0]}\n")
                self._stream.flush()
                self._due.popleft()


class FrameWriter(PipesMessageWriter[FrameChannel]):
    """Pipes messages on standard output, for where the job's log is all that comes back."""

    @contextmanager
    def open(self, params: PipesParams) -> Iterator[FrameChannel]:
        """The channel; what the reader's parameters say is for writers of other kinds."""
        yield FrameChannel(sys.stdout)


@contextmanager
def heartbeat(pipes: PipesContext, seconds_between: float = SECONDS_BETWEEN_HEARTBEATS) -> Iterator[None]:
    """Send `{"heartbeat": {"number", "seconds"}}` from time to time while the block runs, whatever the block does.

    It shows that the process and the way from it are alive, not that the training goes on.
    """
    ended, began = threading.Event(), time.monotonic()

    def beat() -> None:
        number = 0
        while not ended.wait(seconds_between):
            number += 1
            seconds = round(time.monotonic() - began, 1)
            pipes.report_custom_message({"heartbeat": {"number": number, "seconds": seconds}})

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def open_pipes(environment: Mapping[str, str]) -> Iterator[PipesContext | None]:
    """The way to the Dagster run that waits, if this process was started by one and speaks for its training."""
    framed = environment.get(MESSAGES_VARIABLE) == FRAMES
    if not PipesEnvVarParamsLoader().is_dagster_pipes_process() or not speaks(environment):
        yield None
        return
    with (
        open_dagster_pipes(message_writer=FrameWriter() if framed else None) as pipes,
        heartbeat(pipes) if framed else nullcontext(),
    ):
        yield pipes


def speaks(environment: Mapping[str, str]) -> bool:
    """Whether this process is the one that reports: torchrun's rank 0, or the only one."""
    return environment.get("RANK", "0") == "0"


@contextmanager
def reporter_for(
    pipes: PipesContext | None, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Reporter]:
    """Pipes under Dagster, a bar on a terminal, lines otherwise; silence for all ranks but the first."""
    if not speaks(environment):
        yield SilentReporter()
    elif pipes is not None:
        framed = environment.get(MESSAGES_VARIABLE) == FRAMES
        yield PipesReporter(pipes, SECONDS_BETWEEN_FRAMES if framed else SECONDS_BETWEEN)
    elif sys.stdout.isatty():
        name = TextColumn("{task.description}", table_column=Column(min_width=len("evaluate"), no_wrap=True))
        numbers = TextColumn("{task.fields[numbers]}", table_column=Column(ratio=1, no_wrap=True))
        columns = (name, BarColumn(20), TaskProgressColumn(), TimeRemainingColumn(compact=True), numbers)
        with Bar(*columns, console=Console(), expand=True) as bar:
            yield TerminalReporter(bar)
    else:
        yield LineReporter()
