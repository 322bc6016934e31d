"""A run on the terminal while it runs: a line for each stage, the reward so far; elsewhere plain lines, never a bar."""

import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from axiom_dagster.cli.answer import say
from axiom_dagster.sparkline import sparkline
from axiom_dagster.summary import STATUS_COLORS, clock
from trainer.contract import Progress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

STAGES = ("train", "evaluate", "analyze")
REWARD = "overview/reward"
BEGUN = re.compile(rf"(?P<stage>{'|'.join(STAGES)}) of (?P<name>\S+): ")
SUCCEEDED = re.compile(rf"(?:{'|'.join(STAGES)}) succeeded: ")
FRAMES_PER_SECOND = 8
BAR, MOST_BLOCKS, WIDTH_WITH_BAR, WIDTH_BESIDE_BLOCKS = 16, 40, 92, 56


class Shown(Protocol):
    """Takes what a run says."""

    def take(self, stage: str, words: str, at: float | None = None) -> None:
        """Words of a stage, said at a time in seconds since 1970; none: now."""
        ...

    def end(self, status: str) -> None:
        """The run has ended so."""
        ...


class Lines:
    """A line for each thing that is said."""

    def take(self, stage: str, words: str, at: float | None = None) -> None:
        """Print it."""
        say(words if words.startswith(stage) else f"{stage}: {words}")

    def end(self, status: str) -> None:
        """Nothing: the summary says it."""


@dataclass
class StageLine:
    """One stage, as far as it is known."""

    began: float | None = None
    ended: float | None = None
    heard: float = 0.0
    progress: Progress | None = None
    rewards: list[float | None] = field(default_factory=list[float | None])

    def take(self, progress: Progress, at: float) -> None:
        """Its newest progress."""
        self.progress, self.heard = progress, at
        if REWARD in progress.metrics:
            self.rewards.append(progress.metrics[REWARD])


class Display:
    """The stages of one run, drawn anew several times a second; of several runs, the newest."""

    def __init__(self, console: "Console", columns: Callable[[], int]) -> None:
        from rich.spinner import Spinner

        self._console, self._columns, self._spinner = console, columns, Spinner("dots", style="cyan")
        self.call("", "waiting")

    def take(self, stage: str, words: str, at: float | None = None) -> None:
        """Move the stage's line; what is no progress is printed above."""
        now = time.time() if at is None else at
        if begun := BEGUN.match(words):
            self._begin(begun["stage"], begun["name"], now)
        elif progress := Progress.read(words):
            self._lines[progress.stage].take(progress, now)
        elif not SUCCEEDED.match(words):
            self._console.print(f"{stage}: {words}", markup=False, highlight=False)

    def call(self, name: str, status: str) -> None:
        """The run of this name, of which nothing has been said yet."""
        self._title, self._status = name, status
        self._lines = {stage: StageLine() for stage in STAGES}

    def end(self, status: str) -> None:
        """Stop the clocks; what runs now has ended as the run has."""
        self._status = status
        for line in self._lines.values():
            if line.began is not None and line.ended is None:
                line.ended = time.time()

    def __rich__(self) -> "RenderableType":
        """The picture of now."""
        from rich.table import Table

        self._console.width = self._columns() or self._console.width
        table = Table.grid(padding=(0, 2, 0, 0))
        for right in (False, False, *[False] * self._with_bar, True, True, True, False, False):
            table.add_column(justify="right" if right else "left", no_wrap=True)
        for stage, line in self._lines.items():
            table.add_row(*self._cells(stage, line))
        return self._under_title(table)

    def _under_title(self, table: "Table") -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        color = STATUS_COLORS.get(self._status, "cyan")
        return Group(Text.assemble((self._title, "bold"), "  ", (self._status, color)), table)

    @property
    def _with_bar(self) -> bool:
        return self._console.width >= WIDTH_WITH_BAR

    def _begin(self, stage: str, name: str, now: float) -> None:
        if name != self._title:
            self.call(name, "running")
        self._status = "running"
        for earlier in STAGES[: STAGES.index(stage)]:
            line = self._lines[earlier]
            line.ended = line.ended or (now if line.began is not None else None)
        self._lines[stage].began = self._lines[stage].began or now

    def _cells(self, stage: str, line: StageLine) -> Iterator[Any]:
        from rich.progress_bar import ProgressBar

        yield self._mark(line)
        yield stage
        progress = line.progress
        if self._with_bar:
            yield ProgressBar(progress.total, progress.done, width=BAR) if progress else ""
        yield f"{progress.done / progress.total:.0%}" if progress else ""
        yield f"{progress.steps_per_second:,.0f} steps/s" if progress else ""
        yield _time(line, time.time())
        room = self._console.width - WIDTH_BESIDE_BLOCKS - (BAR + 2) * self._with_bar
        yield sparkline(line.rewards, max(0, min(MOST_BLOCKS, room)))
        known = [reward for reward in line.rewards if reward is not None]
        yield f"reward {known[-1]:.4g}" if known else ""

    def _mark(self, line: StageLine) -> "Text | Spinner":
        from rich.text import Text

        if line.began is None:
            return Text("·")
        if line.ended is None:
            return self._spinner
        stopped = self._status not in ("running", "succeeded") and line is self._last_begun()
        return Text("✗", style="red") if stopped else Text("✓", style="green")

    def _last_begun(self) -> StageLine:
        return [line for line in self._lines.values() if line.began is not None][-1]


def _time(line: StageLine, now: float) -> str:
    if line.began is None:
        return ""
    if line.ended is not None:
        return f"took {clock(line.ended - line.began)}"
    if line.progress is None:
        return clock(now - line.began)
    return f"ETA {clock(max(0.0, line.progress.eta_seconds - (now - line.heard)))}"


@contextmanager
def shown_run(name: str = "", status: str = "waiting") -> Generator[Shown]:
    """Show on standard error what is taken while the block runs: drawn on a terminal, else line by line."""
    from rich.console import Console
    from rich.live import Live

    if not sys.stderr.isatty() or Console(stderr=True).is_dumb_terminal:
        yield Lines()
        return
    # A way to the terminal of its own: while a step runs, Dagster leads standard error into the step's log.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal:
        console = Console(file=terminal)
        display = Display(console, lambda: os.get_terminal_size(terminal.fileno()).columns)
        display.call(name, status)
        with Live(display, console=console, refresh_per_second=FRAMES_PER_SECOND):
            yield display
