"""How much each searched value mattered, as bars; it measures nothing."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.figures.picture import Picture, blank
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAR_HEIGHT, AROUND = 0.42, 1.1  # inches


def importance(parts: Mapping[str, float], trials: int, metric: str) -> Picture:
    """A bar for each value, the largest first; `parts` add up to 1."""
    ordered = dict(sorted(parts.items(), key=lambda part: -part[1]))
    words = "; ".join(f"{name} {part:.0%}" for name, part in ordered.items())
    alt = f"Importance for {metric}, over {trials} trials. {words}."
    return Picture("importance", alt, lambda theme: _draw(ordered, trials, metric, theme))


def _draw(parts: Mapping[str, float], trials: int, metric: str, theme: Theme) -> "Figure":
    from matplotlib.ticker import PercentFormatter

    figure = blank(8.4, BAR_HEIGHT * len(parts) + AROUND)
    axes = figure.subplots()
    axes.barh(range(len(parts)), list(parts.values()), height=0.6, color=theme.agent)
    for place, part in enumerate(parts.values()):
        axes.annotate(f"{part:.0%}", (part, place), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(parts)), list(parts))
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0, max(parts.values()) * 1.12 or 1.0)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=False, axis="y")
    axes.set_title(f"What mattered for {metric}: PED-ANOVA over {trials} trials", loc="left", fontsize=10)
    return figure
