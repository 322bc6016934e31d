"""A sweep on the terminal: one table that is drawn anew while it runs; elsewhere a line for each change."""

import os
import sys
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from axiom_dagster.cli.answer import say
from axiom_dagster.summary import STATUS_COLORS, clock
from axiom_dagster.sweeps.figures import short_names
from axiom_dagster.sweeps.search import Search, Trial

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from axiom_dagster.variants.standing import Standing

    Standings = Mapping[str, Standing]

MARKS = {"succeeded": "✓", "failed": "✗", "pruned": "◌"}
COLORS = {**STATUS_COLORS, "pruned": "yellow"}
FRAMES_PER_SECOND = 4
ROOM = 5  # Lines of the terminal that are not a trial's.


class Shown(Protocol):
    """Takes how far the sweep is."""

    def take(self, search: Search, standings: "Standings") -> None:
        """The sweep as it is now, and the runs that are under way, by their trials' names."""
        ...


class Lines:
    """A line for each trial that began, was looked at or has ended."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def take(self, search: Search, standings: "Standings") -> None:
        """Say what is new."""
        for trial in search.trials:
            for line in _lines(search, trial):
                if line not in self._said:
                    self._said.add(line)
                    say(line)


class Display:
    """The trials as a table; of more than fit, the last ones."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._now: tuple[Search, Standings] | None = None

    def take(self, search: Search, standings: "Standings") -> None:
        """Draw this from now on."""
        self._now = search, standings

    def __rich__(self) -> "RenderableType":
        """The picture of now."""
        from rich.console import Group

        if self._now is None:
            return ""
        search, standings = self._now
        last = search.trials[-max(1, self._console.height - ROOM) :]
        return Group(title(search), trials_table(search, last, standings))


def title(search: Search) -> "Text":
    """`name  9 trials, 3 pruned · best evaluation/reward 5.84 of trial-0004`."""
    from rich.text import Text

    counted, budget = Counter(status_of(trial) for trial in search.trials), search.sweep.budget
    of_all = f" of {budget.runs}" if budget.runs is not None else ""
    parts: list[str | tuple[str, str]] = [(search.sweep.name, "bold"), f"  {len(search.trials)}{of_all} trials"]
    for status in ("pruned", "failed"):
        if counted[status]:
            parts += [", ", (f"{counted[status]} {status}", COLORS[status])]
    if (best := search.best) and best.value is not None:
        parts += [f" · best {search.sweep.metric} ", (f"{best.value:.4g}", "green"), f" of {best.name}"]
    return Text.assemble(*parts)


def trials_table(search: Search, trials: Sequence[Trial], standings: "Standings" = MappingProxyType({})) -> "Table":
    """One line a trial, a column for each value of the space, and in a population whose training goes on in it."""
    from rich.table import Table

    names = short_names(search.sweep.space)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "trial", *([] if search.sweep.population is None else ["from"]), *names.values()):
        table.add_column(column, justify="left")
    table.add_column("status")
    for column in (search.sweep.metric, "agent-steps", "time"):
        table.add_column(column, justify="right")
    for trial in trials:
        table.add_row(*_cells(search, trial, names, standings.get(trial.name)))
    return table


def status_of(trial: Trial) -> str:
    """How the trial ended; `running` while it has not."""
    return trial.ended.status if trial.ended else "running"


def describe(params: Mapping[str, Any]) -> str:
    """The values of a trial in a few words: the last part of each path."""
    return ", ".join(f"{path.rpartition('.')[2]}={short(value)}" for path, value in params.items())


def short(value: Any) -> str:
    """A value as it stands in a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def shown_sweep() -> Generator[Shown]:
    """Show on standard error what is taken while the block runs: drawn on a terminal, else line by line."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Lines()
        return
    console.width, console.height = os.get_terminal_size(sys.stderr.fileno())
    display = Display(console)
    with Live(display, console=console, refresh_per_second=FRAMES_PER_SECOND, transient=True):
        yield display


def _lines(search: Search, trial: Trial) -> "Sequence[str]":
    other = "".join(f" from {name}" for name in _from(search, trial) if name)
    lines = [f"{trial.name}{other}: {describe(trial.params)}"]
    for look in trial.looks.values():
        verdict = "goes on" if look.goes_on else "is stopped"
        lines.append(f"{trial.name}: {search.sweep.pruner.metric} {look.value:.4g} at {look.agent_steps:,}, {verdict}")
    if trial.ended:
        value = "" if trial.ended.value is None else f", {search.sweep.metric} {trial.ended.value:.4g}"
        lines.append(f"{trial.name}: {trial.ended.status}{value}{': ' * bool(trial.ended.why)}{trial.ended.why}")
    return lines


def _from(search: Search, trial: Trial) -> list[str]:
    """In a population a cell: the other member whose training goes on in this one, empty where it is its own."""
    if search.sweep.population is None:
        return []
    origin = None if trial.origin is None else search.trials[trial.origin]
    return [origin.name if origin and origin.member != trial.member else ""]


def _cells(search: Search, trial: Trial, names: dict[str, str], standing: "Standing | None") -> "list[str | Text]":
    from rich.text import Text

    status, ended = status_of(trial), trial.ended
    shown = standing.status if standing and ended is None else status
    color = "bold green" if trial is search.best else COLORS.get(status, "cyan")
    values = [short(trial.params[path]) for path in names]
    return [
        Text(MARKS.get(status, "●"), style=color),
        trial.name,
        *_from(search, trial),
        *values,
        Text("best" if trial is search.best else shown, style=color),
        "" if ended is None or ended.value is None else f"{ended.value:.4g}",
        f"{ended.agent_steps:,}" if ended and ended.agent_steps else "",
        clock(ended.seconds) if ended and ended.seconds else "",
    ]
