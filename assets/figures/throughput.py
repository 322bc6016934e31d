"""How fast a training ran, update by update; the pace of a stretch that no clock covers is a gap."""

# pyright: reportUnknownMemberType=false

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from assets.figures.axes import agent_steps, legend, say
from assets.figures.picture import Picture, blank
from assets.figures.series import Rows, Series, number, series_of, steps_of, thinned
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVERALL = "charts/SPS"


def throughput(rows: Rows) -> Picture:
    """Agent-steps per second of each update, and since the training began; `rows` are the lines of `metrics.jsonl`."""
    each, overall = pace(rows), series_of(rows, OVERALL)
    return Picture("throughput", _alt(each, overall), lambda theme: _draw(each, overall, theme))


def pace(rows: Rows) -> Series:
    """Steps per second of each update, by the clock `seconds`; a gap where it went back (a resumed run) or is missing.

    The clock counts from the beginning of the training, so the first update has its pace too.
    """
    steps, seconds = steps_of(rows), [number(row.get("seconds")) for row in rows]
    paired = list(zip([0.0, *steps], [0.0, *seconds], strict=True))
    return thinned(Series(steps, [_pace(*one, *other) for one, other in pairwise(paired)]))


def _pace(steps: float, seconds: float, later_steps: float, later_seconds: float) -> float:
    took, done = later_seconds - seconds, later_steps - steps
    return done / took if took > 0 and done > 0 else math.nan


def _alt(each: Series, overall: Series) -> str:
    if each.empty and overall.empty:
        return "Throughput was not measured."
    low_high = f"from {min(each.known):,.0f} to {max(each.known):,.0f} in single updates" if each.known else ""
    mean = f"{overall.known[-1]:,.0f} over the whole training" if overall.known else ""
    return f"Throughput in agent-steps per second: {', '.join(filter(None, (low_high, mean)))}."


def _draw(each: Series, overall: Series, theme: Theme) -> "Figure":
    from matplotlib.ticker import EngFormatter

    figure = blank(8.4, 2.6, (0.85, 0.25, 0.6, 0.45))
    axes = figure.add_subplot()
    axes.set_title("throughput", loc="left")
    axes.set_ylabel("steps per second")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(visible=False, axis="y")
    agent_steps(axes)
    if each.empty and overall.empty:
        say(axes, "not measured", theme)
        return figure
    color, marker = theme.agent, "o" if len(each.known) < 12 else None
    axes.plot(each.steps, each.values, color=color, alpha=0.4, lw=1.2, marker=marker, ms=3, label="each update")
    axes.plot(overall.steps, overall.values, color=theme.agent, lw=2.2, label="since the training began")
    axes.set_ylim(bottom=0)
    legend(axes)
    return figure
