"""A population over its generations: each member's values, and who went on from whom; it ranks and replaces nobody."""

# pyright: reportUnknownMemberType=false

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.figures.parallel_coordinates import Axis
from assets.figures.picture import Picture, blank
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_HEIGHT, AROUND, WIDTH = 1.45, 0.75, 8.4  # inches
MOST_PANELS = 6


@dataclass(frozen=True)
class Born:
    """One member in one generation: its place among all, and that of the one whose training goes on in it."""

    generation: int
    origin: int | None
    is_replaced: bool = False
    """Whether nobody goes on from it."""


def generations(axes: Sequence[Axis], members: Sequence[Born], best: Collection[int], agent_steps: int) -> Picture:
    """A panel for each axis, the last one the metric's; `best` are the places of the best member's lineage.

    Where a place of an axis is NaN, the member has no value there. `agent_steps` are those of a generation.
    """
    shown = [*axes[: MOST_PANELS - 1], axes[-1]] if len(axes) > MOST_PANELS else list(axes)
    count = max(member.generation for member in members) + 1
    names = ", ".join(each.label for each in shown)
    crossed = sum(member.is_replaced for member in members)
    alt = f"{len(members) // count} members over {count} generations: {names}. {crossed} were replaced."
    return Picture("generations", alt, lambda theme: _draw(shown, members, best, agent_steps, theme))


def _draw(
    all_axes: Sequence[Axis], members: Sequence[Born], best: Collection[int], agent_steps: int, theme: Theme
) -> "Figure":
    figure = blank(WIDTH, PANEL_HEIGHT * len(all_axes) + AROUND)
    panels: Sequence[Axes] = list(figure.subplots(len(all_axes), 1, sharex=True, squeeze=False)[:, 0])
    for panel, axis in zip(panels, all_axes, strict=True):
        for place in sorted(range(len(members)), key=lambda place: place in best):
            _member(panel, axis, members, place, best, theme)
        panel.set_yticks(list(axis.ticks), list(axis.ticks.values()), fontsize=8)
        panel.set_ylim(-0.09, 1.09)
        panel.set_title(axis.label, loc="left", fontsize=9.5)
    _frame(panels[-1], members, agent_steps)
    _legend(panels[0], theme)
    return figure


def _member(
    panel: "Axes", axis: Axis, members: Sequence[Born], place: int, best: Collection[int], theme: Theme
) -> None:
    """The line from the member that it goes on from, and its own mark."""
    member, height, stands_out = members[place], axis.places[place], place in best
    color, above = theme.overridden if stands_out else theme.agent, int(stands_out)
    if member.origin is not None:
        across, up = (member.generation - 1, member.generation), (axis.places[member.origin], height)
        width, alpha = (2.4, 1.0) if stands_out else (1.3, 0.55)
        panel.plot(across, up, color=color, lw=width, alpha=alpha, zorder=2 + above)
    marker, size = ("x", 34) if member.is_replaced else ("o", 22)
    own = theme.faint if member.is_replaced else color
    panel.scatter([member.generation], [height], size, color=own, marker=marker, zorder=4 + above, clip_on=False)


def _frame(panel: "Axes", members: Sequence[Born], agent_steps: int) -> None:
    last = max(member.generation for member in members)
    panel.set_xticks(range(last + 1))
    panel.set_xlim(-0.12, last + 0.12)
    panel.set_xlabel(f"generation, each of {agent_steps:,} agent-steps", fontsize=9)


def _legend(panel: "Axes", theme: Theme) -> None:
    panel.plot([], [], color=theme.overridden, lw=2.4, marker="o", ms=4.5, label="the best member's lineage")
    panel.plot([], [], color=theme.faint, lw=0, marker="x", ms=5.5, mew=1.6, label="replaced")
    panel.legend(frameon=False, fontsize=8.5, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
