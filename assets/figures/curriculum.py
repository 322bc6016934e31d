"""What a curriculum assigned over a training: the share of each value that tasks differ in; it judges no curriculum."""

# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.figures.axes import agent_steps
from assets.figures.picture import Picture, blank
from assets.figures.series import Rows, Series, number, steps_of, thinned
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREFIX = "curriculum/"
MOST_BANDS, MOST_PANELS = 8, 6
Bands = Mapping[str, Series]


def curriculum_chart(rows: Rows) -> Picture | None:
    """A panel for each path in which tasks differ, a band for each value; none where no curriculum chose tasks."""
    panels = {path: _bands(rows, path, values) for path, values in _values(rows).items()}
    if not panels:
        return None
    shown = dict(list(panels.items())[:MOST_PANELS])
    return Picture("curriculum", _alt(shown, len(panels)), lambda theme: _draw(shown, theme))


def _values(rows: Rows) -> dict[str, list[str]]:
    """The values that were assigned, by path; numbers in their order."""
    names = {name.removeprefix(PREFIX) for row in rows for name in row if name.startswith(PREFIX)}
    found: dict[str, list[str]] = {}
    for path, _, value in sorted(
        (name.partition("=") for name in names), key=lambda parts: (parts[0], _order(parts[2]))
    ):
        found.setdefault(path, []).append(value)
    return found


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return math.inf, value


def _bands(rows: Rows, path: str, values: list[str]) -> Bands:
    """The share of each value, missing ones 0; neighbours are put together where there are more than eight."""
    width = -(-len(values) // MOST_BANDS)
    groups = [values[start : start + width] for start in range(0, len(values), width)]
    return {_label(group): _share(rows, [f"{PREFIX}{path}={value}" for value in group]) for group in groups}


def _share(rows: Rows, names: list[str]) -> Series:
    wanted = set(names)  # Of thousands of values a row has a few.
    found = [[number(row[name]) for name in row.keys() & wanted] for row in rows]
    shares = [math.fsum(share for share in shares if not math.isnan(share)) for shares in found]
    return thinned(Series(steps_of(rows), shares))


def _label(group: list[str]) -> str:
    return group[0] if len(group) == 1 else f"{group[0]} to {group[-1]}"


def _alt(panels: Mapping[str, Bands], count: int) -> str:
    def words(path: str, bands: Bands) -> str:
        ends = ", ".join(f"{label} {each.values[0]:.0%} to {each.values[-1]:.0%}" for label, each in bands.items())
        return f"{path}: {ends}"

    more = f" {count - len(panels)} more paths are not shown." if count > len(panels) else ""
    first_to_last = "; ".join(words(path, bands) for path, bands in panels.items())
    return f"Curriculum: share of environments with each value, first to last update. {first_to_last}.{more}"


def _draw(panels: Mapping[str, Bands], theme: Theme) -> "Figure":
    figure = blank(8.4, 2.1 * len(panels) + 0.4, (0.85, 1.5, 0.6, 0.35))
    figure.subplots_adjust(hspace=0.45)
    for place, (path, bands) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(len(panels), 1, place)
        axes.set_title(path, loc="left", fontsize=10)
        _stack(axes, bands, theme)
        agent_steps(axes, label=place == len(panels))
    return figure


def _stack(axes: "Axes", bands: Bands, theme: Theme) -> None:
    """Bands of one color, the stronger the higher the value; a step at each update, as tasks are assigned in steps."""
    steps = next(iter(bands.values())).steps
    edges = [0.0, *steps]
    below = [0.0] * len(edges)
    for place, (label, series) in enumerate(bands.items(), 1):
        above = [low + share for low, share in zip(below, [*series.values[:1], *series.values], strict=True)]
        strength = 0.15 + 0.85 * place / len(bands)
        axes.fill_between(edges, below, above, step="pre", color=theme.agent, alpha=strength, lw=0, label=label)
        below = above
    axes.set_xlim(0, steps[-1])
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(visible=False)
    axes.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.01, 0.5), reverse=True)
