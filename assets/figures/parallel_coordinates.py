"""Points of a search as lines across one axis for each value, the stronger the better; it ranks by one number."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.figures.picture import Picture, blank
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINTEST, STRONGEST = 0.12, 0.75
AXIS_WIDTH, NARROWEST, WIDEST, HEIGHT = 1.7, 6.4, 14.0, 3.9  # inches


@dataclass(frozen=True)
class Axis:
    """One value: where each trial stands on it, from 0 to 1, and what is written at which places."""

    label: str
    places: Sequence[float]
    ticks: Mapping[float, str]


def parallel_coordinates(axes: Sequence[Axis], ranks: Sequence[float], metric: str, best: int) -> Picture:
    """A line for each trial. `ranks` are from 0, the worst, to 1; `best` is the place of the trial that stands out."""
    names = ", ".join(each.label for each in axes)
    alt = f"{len(ranks)} trials across {names}; the best by {metric} stands out."
    return Picture("parallel_coordinates", alt, lambda theme: _draw(axes, ranks, metric, best, theme))


def _draw(all_axes: Sequence[Axis], ranks: Sequence[float], metric: str, best: int, theme: Theme) -> "Figure":
    figure = blank(min(WIDEST, max(NARROWEST, AXIS_WIDTH * len(all_axes))), HEIGHT)
    axes = figure.subplots()
    for place in sorted(range(len(ranks)), key=lambda place: ranks[place]):
        heights = [each.places[place] for each in all_axes]
        stands_out = place == best
        axes.plot(
            range(len(heights)),
            heights,
            color=theme.overridden if stands_out else theme.agent,
            alpha=1.0 if stands_out else FAINTEST + (STRONGEST - FAINTEST) * ranks[place],
            lw=2.6 if stands_out else 1.5,
            label=f"the best trial by {metric}" if stands_out else None,
            zorder=4 if stands_out else 2,
        )
    for place, each in enumerate(all_axes):
        _scale(axes, place, each, theme)
    _frame(axes, all_axes)
    return figure


def _scale(axes: "Axes", place: int, axis: Axis, theme: Theme) -> None:
    axes.axvline(place, color=theme.faint, lw=1, zorder=1)
    for height, words in axis.ticks.items():
        text = axes.annotate(
            words, (place, height), (5, 0), textcoords="offset points", va="center", fontsize=8, zorder=6
        )
        text.set_bbox({"facecolor": theme.paper, "edgecolor": "none", "alpha": 0.8, "pad": 1})


def _frame(axes: "Axes", all_axes: Sequence[Axis]) -> None:
    axes.grid(visible=False)
    axes.set_xticks(range(len(all_axes)), [each.label for each in all_axes])
    axes.tick_params(axis="x", length=0, labelsize=9)
    axes.set_yticks([])
    axes.set_xlim(-0.15, len(all_axes) - 0.55)
    axes.set_ylim(-0.05, 1.05)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
