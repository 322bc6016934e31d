"""What the figures' axes have in common: thousands, legends, honest words where nothing is drawn; no data."""

# matplotlib types its artists' many keyword arguments only in part.
# pyright: reportUnknownMemberType=false

from typing import TYPE_CHECKING

from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def agent_steps(axes: "Axes", *, label: bool = True) -> None:
    """The horizontal axis counts agent-steps: 50k, 1M."""
    from matplotlib.ticker import EngFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if label:
        axes.set_xlabel("agent-steps")


def legend(axes: "Axes", columns: int = 2) -> None:
    """Above the axes, at the right."""
    axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=columns)


def say(axes: "Axes", message: str, theme: Theme, size: float = 13) -> None:
    """Words in the place of a curve."""
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=theme.faint, fontsize=size)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
