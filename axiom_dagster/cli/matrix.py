"""Many runs on the terminal: one table that is drawn anew while they run; elsewhere a line for each change."""

import os
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from axiom_dagster.cli.answer import say
from axiom_dagster.summary import STATUS_COLORS, clock
from axiom_dagster.variants.rows import Row

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

ORDER = ("succeeded", "running", "cancelling", "queued", "missing", "failed", "cancelled")
MARKS = {"succeeded": "✓", "failed": "✗", "cancelled": "✗", "running": "●", "cancelling": "●"}
COLORS = {**STATUS_COLORS, "running": "cyan", "cancelling": "yellow"}
FRAMES_PER_SECOND = 4
MOVING = ("running", "cancelling", "failed", "cancelled")
ROOM = 4  # Lines of the terminal that are not a run's: title, heads, what is left out, the cursor.


class Shown(Protocol):
    """Takes how far every run is."""

    def take(self, rows: Sequence[Row]) -> None:
        """All runs as they are now."""
        ...


class Lines:
    """A line for each run whose status has changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], str] = {}

    def take(self, rows: Sequence[Row]) -> None:
        """Say what has changed."""
        ended = sum(row.standing.status in ("succeeded", "failed", "cancelled") for row in rows)
        for row in rows:
            key = (row.standing.variant, row.standing.seed)
            if self._known.get(key) != row.standing.status:
                self._known[key] = row.standing.status
                reward = "" if row.reward is None else f"  reward {row.reward:.4g}"
                say(f"{key[0]}  seed {key[1]}: {row.standing.status}{reward}  ({ended} of {len(rows)} have ended)")


class Display:
    """The runs as a table; of more than fit, those where something happens."""

    def __init__(self, name: str, console: "Console") -> None:
        self._name, self._console = name, console
        self._rows: Sequence[Row] = ()

    def take(self, rows: Sequence[Row]) -> None:
        """Draw these from now on."""
        self._rows = rows

    def __rich__(self) -> "RenderableType":
        """The picture of now."""
        from rich.console import Group

        room = max(3, self._console.height - ROOM)
        return Group(title(self._name, self._rows), runs_table(_most_moving(self._rows, room), len(self._rows)))


def title(name: str, rows: Sequence[Row]) -> "Text":
    """`name  2 of 6 succeeded · 2 running · 2 queued`."""
    from rich.text import Text

    counted = Counter(row.standing.status for row in rows)
    parts: list[str | tuple[str, str]] = [(name, "bold"), f"  {counted['succeeded']} of {len(rows)} succeeded"]
    for status in ORDER[1:]:
        if counted[status]:
            parts += [" · ", (f"{counted[status]} {status}", COLORS.get(status, ""))]
    return Text.assemble(*parts)


def runs_table(rows: Sequence[Row], total: int | None = None) -> "Table":
    """One line a run; under it how many are left out, if `total` is more."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "variant", "seed", "status", "", "reward", "steps/s", "time"):
        table.add_column(column, justify="right" if column in ("seed", "reward", "steps/s", "time") else "left")
    for row in rows:
        table.add_row(*_cells(row))
    if total is not None and total > len(rows):
        table.add_row("", f"… and {total - len(rows)} more", style="dim")
    return table


def _cells(row: Row) -> "tuple[str | Text | RenderableType, ...]":
    from rich.text import Text

    status, color = row.standing.status, COLORS.get(row.standing.status, "dim")
    return (
        Text(MARKS.get(status, "·"), style=color),
        Text(row.standing.variant),
        str(row.standing.seed),
        Text(status, style=color),
        _stage(row),
        "" if row.reward is None else f"{row.reward:.4g}",
        "" if row.steps_per_second is None else f"{row.steps_per_second:,.0f}",
        _time(row),
    )


def _stage(row: Row) -> str:
    progress = row.progress
    return f"{progress.stage} {progress.done / progress.total:.0%}" if progress and row.is_under_way else ""


def _time(row: Row) -> str:
    if row.progress is not None and row.is_under_way:
        return f"ETA {clock(row.progress.eta_seconds)}"
    return "" if row.seconds is None else f"took {clock(row.seconds)}"


def _most_moving(rows: Sequence[Row], room: int) -> Sequence[Row]:
    """All where there is room; else those that run or failed first, in the order of the declaration."""
    if len(rows) <= room:
        return rows
    ranked = sorted(range(len(rows)), key=lambda place: (rows[place].standing.status not in MOVING, place))
    return [rows[place] for place in sorted(ranked[: room - 1])]


@contextmanager
def shown_matrix(name: str) -> Generator[Shown]:
    """Show on standard error what is taken while the block runs: drawn on a terminal, else line by line."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Lines()
        return
    console.width, console.height = os.get_terminal_size(sys.stderr.fileno())
    display = Display(name, console)
    with Live(display, console=console, refresh_per_second=FRAMES_PER_SECOND):
        yield display
