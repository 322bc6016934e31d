"""The learning curve of one run; what is missing stays a gap, and a run without an episode is said to have none."""

# pyright: reportUnknownMemberType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.figures.axes import agent_steps, legend, say
from assets.figures.picture import Picture, blank
from assets.figures.series import Rows, Series, missing, series_of, smoothed
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REWARD = ("overview/reward", "charts/episodic_return")


@dataclass(frozen=True)
class Mark:
    """Something that happened during the training: after so many agent-steps, and its name."""

    agent_steps: int
    label: str


def learning_curve(rows: Rows, title: str, marks: Sequence[Mark] = ()) -> Picture:
    """Episode reward over agent-steps, faint as measured and smoothed; `rows` are the lines of `metrics.jsonl`.

    Each of the `marks` is a line across it with its name.
    """
    series = series_of(rows, *REWARD)
    return Picture("learning_curve", _alt(rows, marks), lambda theme: _draw(series, title, marks, theme))


def reward_gaps(rows: Rows) -> str:
    """In words, how many updates had no finished episode yet, or lost their number; empty if none."""
    if series_of(rows, *REWARD).empty:
        return f"No episode finished in {len(rows)} updates."
    if not (lacking := missing(rows, *REWARD)):
        return ""
    return f"{lacking} of {len(rows)} updates have no reward: no episode had finished, or it was not a number."


def _alt(rows: Rows, marks: Sequence[Mark]) -> str:
    gaps, series = reward_gaps(rows), series_of(rows, *REWARD)
    if series.empty:
        return f"Learning curve. {gaps}"
    known = series.known
    words = f"Learning curve: episode reward from {known[0]:.3g} to {known[-1]:.3g} over {len(rows)} updates."
    marked = ", ".join(f"{mark.label} at {mark.agent_steps:,} agent-steps" for mark in marks)
    return f"{words} {f'Marked: {marked}. ' if marked else ''}{gaps}".strip()


def _draw(series: Series, title: str, marks: Sequence[Mark], theme: Theme) -> "Figure":
    figure = blank(8.4, 4.0, (0.85, 0.25, 0.6, 0.45))
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    axes.set_ylabel("episode reward")
    agent_steps(axes)
    axes.grid(visible=False, axis="y")
    if series.empty:
        say(axes, "no finished episode", theme)
        return figure
    _measured(axes, series, theme)
    _smooth(axes, series, theme)
    axes.margins(x=0.06)
    axes.set_xlim(left=0)
    _marked(axes, marks, theme)
    legend(axes)
    return figure


def _marked(axes: "Axes", marks: Sequence[Mark], theme: Theme) -> None:
    for mark in marks:
        axes.axvline(mark.agent_steps, color=theme.overridden, lw=1.2, ls=(0, (4, 3)))
        axes.annotate(
            mark.label,
            (mark.agent_steps, 0),
            (-3, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
            color=theme.overridden,
        )


def _measured(axes: "Axes", series: Series, theme: Theme) -> None:
    label = "each update" if series.updates == 1 else f"mean of {series.updates} updates"
    marker = "o" if len(series.known) < 12 else None
    axes.plot(
        series.steps, series.values, color=theme.agent, alpha=0.35, lw=1, marker=marker, markersize=3, label=label
    )


def _smooth(axes: "Axes", series: Series, theme: Theme) -> None:
    """The smoothed line, its end a dot with its value."""
    smooth = smoothed(series.values)
    axes.plot(series.steps, smooth, color=theme.agent, lw=2.2, label="smoothed")
    last = max(place for place, value in enumerate(smooth) if not math.isnan(value))
    end = (series.steps[last], smooth[last])
    axes.plot(*end, "o", color=theme.agent, markersize=6)
    axes.annotate(
        f"{smooth[last]:.3g}", end, (8, 0), textcoords="offset points", va="center", color=theme.agent, weight="bold"
    )
