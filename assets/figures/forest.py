"""Numbers with their intervals, a row each, against one line of no difference; it computes none of them."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assets.figures.axes import say
from assets.figures.picture import Picture, blank
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, PANEL_HEIGHT = 0.42, 1.15  # inches
MARKERS = {"good": "D", "bad": "s", "open": "o"}


@dataclass(frozen=True)
class Row:
    """One number: whose it is, its interval where it has one, and what may be claimed of it."""

    label: str
    value: float
    low: float | None
    high: float | None
    tone: Literal["good", "bad", "open"] = "open"

    def __str__(self) -> str:
        ends = "" if self.low is None or self.high is None else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.label} {self.value:.3g}{ends}"


Panels = Mapping[str, Sequence[Row]]


def forest(
    name: str, words: str, panels: Panels, same: float, label: str, ends: tuple[float, float] | None = None
) -> Picture:
    """A panel for each simulation; `same` is where a number says that nothing differs, `label` what it measures.

    `ends` are those of its scale, where it has any.
    """
    rows = ". ".join(f"{panel}: {'; '.join(map(str, rows))}" for panel, rows in panels.items())
    return Picture(name, f"{words}. {rows}.", lambda theme: _draw(panels, same, label, ends, theme))


def _draw(panels: Panels, same: float, label: str, ends: tuple[float, float] | None, theme: Theme) -> "Figure":
    counts = [max(len(rows), 1) for rows in panels.values()] or [1]
    figure = blank(8.4, PANEL_HEIGHT * len(counts) + ROW_HEIGHT * sum(counts))
    all_axes = figure.subplots(len(counts), squeeze=False, height_ratios=[count + 0.6 for count in counts])[:, 0]
    for axes, (title, rows) in zip(all_axes, panels.items(), strict=False):
        axes.set_title(title, loc="left")
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")
        _panel(axes, rows, same, theme)
        if ends is not None:
            margin = 0.03 * (ends[1] - ends[0])
            axes.set_xlim(ends[0] - margin, ends[1] + margin)
    if not panels:
        say(all_axes[0], "nothing to compare", theme)
    return figure


def _panel(axes: "Axes", rows: Sequence[Row], same: float, theme: Theme) -> None:
    axes.axvline(same, color=theme.faint, lw=1.2, ls="--", zorder=1)
    for place, row in enumerate(rows):
        _row(axes, row, place, theme)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.margins(x=0.08)


def _row(axes: "Axes", row: Row, place: int, theme: Theme) -> None:
    color = {"good": theme.series[2], "bad": theme.series[1], "open": theme.faint}[row.tone]
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [place, place], color=color, lw=7, alpha=0.3, solid_capstyle="butt")
    axes.plot(row.value, place, MARKERS[row.tone], color=color, markeredgecolor=theme.paper, ms=8, ls="", zorder=4)
    at = (row.value, place)
    axes.annotate(f"{row.value:.3g}", at, (0, 7), textcoords="offset points", ha="center", fontsize=9, color=color)
