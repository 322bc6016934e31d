"""Performance profiles: how many of a variant's runs score above each threshold; no scale is shared by simulations."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assets.figures.picture import Picture, blank
from assets.figures.seeds import line_style
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Scores = Mapping[str, Sequence[float]]
PANEL_HEIGHT, LINE_HEIGHT = 2.9, 0.2  # inches


def performance_profiles(panels: Mapping[str, Scores], label: str) -> Picture:
    """A panel for each simulation, a falling staircase for each variant; `panels` are the runs' scores."""
    return Picture("performance_profile", _alt(panels), lambda theme: _draw(panels, label, theme))


def _alt(panels: Mapping[str, Scores]) -> str:
    words = [
        f"{panel}: {'; '.join(f'{name} from {min(each):.3g} to {max(each):.3g}' for name, each in scores.items())}"
        for panel, scores in panels.items()
    ]
    return f"Performance profiles, the part of runs above each score. {'. '.join(words)}."


def _draw(panels: Mapping[str, Scores], label: str, theme: Theme) -> "Figure":
    lines = sum(map(len, panels.values()))
    figure = blank(8.4, PANEL_HEIGHT * max(len(panels), 1) + LINE_HEIGHT * lines)
    all_axes = figure.subplots(max(len(panels), 1), squeeze=False)[:, 0]
    for axes, (title, scores) in zip(all_axes, panels.items(), strict=False):
        axes.set_title(title, loc="left")
        axes.set_xlabel(label)
        axes.set_ylabel("part of runs above it")
        axes.set_ylim(-0.03, 1.05)
        _panel(axes, scores, theme)
    return figure


def _panel(axes: "Axes", scores: Scores, theme: Theme) -> None:
    everything = [value for values in scores.values() for value in values]
    margin = (max(everything) - min(everything)) * 0.06 or 1.0
    edges = [min(everything) - margin, *sorted(everything), max(everything) + margin]
    for place, (name, values) in enumerate(scores.items()):
        color, dash = line_style(place, theme)
        axes.step(edges, _parts(values, edges), where="post", color=color, ls=dash, lw=2.2, label=name)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.2))


def _parts(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    import numpy as np

    from assets.statistics.aggregates import performance_profile

    return performance_profile(np.array(values), np.array(edges)).tolist()
