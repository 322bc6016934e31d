"""Runs as a table: all columns for programs, as many as fit on a terminal; it neither finds runs nor sorts them."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from axiom_dagster.listing import Line
from axiom_dagster.summary import STATUS_COLORS, clock, wide_console

Cell = Callable[[Line], str]
COLUMNS: Mapping[str, Cell] = {
    "run": lambda line: line.instance_name,
    "status": lambda line: line.status,
    "variant": lambda line: line.variant or "",
    "seed": lambda line: "" if line.seed is None else str(line.seed),
    "tag": lambda line: line.tag or "",
    "created (UTC)": lambda line: f"{line.created_at:%Y-%m-%d %H:%M:%S}",
    "duration": lambda line: "" if line.duration_seconds is None else clock(line.duration_seconds),
    "steps/s": lambda line: "" if line.steps_per_second is None else f"{line.steps_per_second:,.0f}",
    "mean reward": lambda line: "  ".join(f"{name} {reward:.3g}" for name, reward in line.mean_reward.items()),
}
NUMBERS = ("seed", "duration", "steps/s")
FOLDED = ("run", "mean reward")
UNBOUNDED = 10_000
# What a narrow terminal does without, the first first.
SPARED = ("steps/s", "tag", "seed", "created (UTC)", "duration", "variant")


def show_table(lines: Sequence[Line], console: Console | None = None) -> None:
    """Print the runs; a column that is empty in every line is left out.

    A terminal that is too narrow gets fewer columns, then folded names; whatever is no terminal gets all, unfolded.
    """
    names = [name for name, cell in COLUMNS.items() if any(map(cell, lines))]
    console = console or Console()
    if not console.is_terminal:
        whole, wide = _table(lines, names), wide_console()
        wide.width = max(wide.width, _width(whole, wide))
        wide.print(whole)
        return
    for spared in SPARED:
        if spared in names and not _fits(_table(lines, names), console):
            names.remove(spared)
    console.print(_table(lines, names, fold=not _fits(_table(lines, names), console)))


def _table(lines: Sequence[Line], names: Sequence[str], *, fold: bool = False) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        justify = "right" if name in NUMBERS else "left"
        table.add_column(name, no_wrap=not (fold and name in FOLDED), overflow="fold", justify=justify)
    for line in lines:
        table.add_row(*(_cell(name, line) for name in names))
    return table


def _cell(name: str, line: Line) -> Text:
    return Text(COLUMNS[name](line), style=STATUS_COLORS.get(line.status, "cyan") if name == "status" else "")


def _fits(table: Table, console: Console) -> bool:
    return _width(table, console) <= console.width


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=UNBOUNDED), table).maximum
