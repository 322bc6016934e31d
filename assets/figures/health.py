"""Losses and health of a training, a small panel each; what was not measured is said so, never drawn as zero."""

# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.figures.axes import agent_steps, say
from assets.figures.picture import Picture, blank
from assets.figures.series import Rows, Series, missing, series_of
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What each panel shows, and the names under which it may be logged, in order of preference.
PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("policy loss", ("losses/policy_loss",)),
    ("value loss", ("losses/value_loss",)),
    ("entropy", ("losses/entropy",)),
    ("explained variance", ("losses/explained_variance",)),
    ("approximate KL", ("losses/approx_kl",)),
    ("clip fraction", ("losses/clipfrac",)),
    ("gradient norm", ("losses/grad_norm",)),
    ("learning rate", ("charts/learning_rate",)),
)
COLUMNS = 4


def health(rows: Rows) -> Picture:
    """Eight panels over agent-steps; `rows` are the lines of `metrics.jsonl`."""
    panels = [(label, series_of(rows, *names)) for label, names in PANELS]
    return Picture("health", _alt(panels, health_gaps(rows)), lambda theme: _draw(panels, theme))


def health_gaps(rows: Rows) -> list[str]:
    """What is missing, in words: metrics that no update has, and how many updates lack one that others have."""
    lacking: list[str] = []
    for label, names in PANELS:
        if series_of(rows, *names).empty:
            lacking.append(f"{label} was not measured")
        elif count := missing(rows, *names):
            lacking.append(f"{label} is missing or not a number in {count} of {len(rows)} updates")
    return lacking


def _alt(panels: Sequence[tuple[str, Series]], gaps: Sequence[str]) -> str:
    ends = [f"{label} {series.known[0]:.3g} to {series.known[-1]:.3g}" for label, series in panels if not series.empty]
    return f"Losses and health, first to last value. {'; '.join([*ends, *gaps])}."


def _draw(panels: Sequence[tuple[str, Series]], theme: Theme) -> "Figure":
    lines = -(-len(panels) // COLUMNS)
    figure = blank(8.4, 1.75 * lines + 0.2, (0.6, 0.2, 0.55, 0.35))
    figure.subplots_adjust(wspace=0.42, hspace=0.5)
    for place, (label, series) in enumerate(panels):
        axes = figure.add_subplot(lines, COLUMNS, place + 1)
        _panel(axes, label, series, theme)
        if place >= len(panels) - COLUMNS:
            axes.set_xlabel("agent-steps", fontsize=8)
    return figure


def _panel(axes: "Axes", label: str, series: Series, theme: Theme) -> None:
    axes.set_title(label, loc="left", fontsize=9)
    axes.tick_params(labelsize=7.5)
    axes.locator_params(nbins=4)
    axes.grid(visible=False, axis="y")
    agent_steps(axes, label=False)
    if series.empty:
        say(axes, "not measured", theme, size=9)
        return
    alone = len(series.known) == 1
    axes.plot(series.steps, series.values, color=theme.agent, lw=1.4, marker="o" if alone else None)
