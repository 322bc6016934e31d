"""Learning curves of several runs: one line a variant, its seeds faint behind it; one seed alone gets no band."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.figures.axes import agent_steps, say
from assets.figures.interval import Mean, common_grid, mean_curve
from assets.figures.picture import Picture, blank
from assets.figures.series import Series
from assets.figures.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", "--", "-.", ":")  # with the colors: variants beyond the sixth differ by both
PANEL_HEIGHT, LINE_HEIGHT = 3.7, 0.22  # inches


@dataclass(frozen=True)
class Curve:
    """One run's rewards: of which variant and seed, in which environment."""

    variant: str
    seed: int
    environment: str
    rewards: Series


def seeds_curve(curves: Sequence[Curve]) -> Picture:
    """Mean episode reward of each variant with the 95 % t interval over its seeds, on the steps that they share.

    Runs of different environments stand in panels of their own: their rewards have no common scale.
    """
    panels = _grouped(curves)
    return Picture("learning_curves", _alt(panels), lambda theme: _draw(panels, theme))


Panels = Mapping[str, Mapping[str, list[Curve]]]


def _grouped(curves: Sequence[Curve]) -> Panels:
    """Environment → variant → its curves, in the order of their first appearance."""
    panels: dict[str, dict[str, list[Curve]]] = {}
    for curve in curves:
        panels.setdefault(curve.environment, {}).setdefault(curve.variant, []).append(curve)
    return panels


def _alt(panels: Panels) -> str:
    words: list[str] = []
    for environment, variants in panels.items():
        ends = [f"{variant} {_end(curves)}" for variant, curves in variants.items()]
        words.append(f"{environment}: {'; '.join(ends)}")
    return f"Learning curves, at the last agent-step that all seeds of a variant share. {'. '.join(words)}."


def _end(curves: Sequence[Curve]) -> str:
    means = _means(curves)[1]
    return f"ends at {means[-1]}" if means else "has no finished episode"


def _measured(curves: Sequence[Curve]) -> list[Series]:
    """The rewards of those seeds that finished an episode."""
    return [curve.rewards for curve in curves if not curve.rewards.empty]


def _means(curves: Sequence[Curve]) -> tuple[list[float], list[Mean]]:
    measured = _measured(curves)
    grid = common_grid(measured)
    return grid, mean_curve(measured, grid) if grid else []


def _draw(panels: Panels, theme: Theme) -> "Figure":
    lines = sum(map(len, panels.values()))
    figure = blank(8.4, PANEL_HEIGHT * max(len(panels), 1) + LINE_HEIGHT * lines)
    all_axes = figure.subplots(max(len(panels), 1), squeeze=False)[:, 0]
    for axes, (environment, variants) in zip(all_axes, panels.items(), strict=False):
        axes.set_title(environment, loc="left")
        axes.set_ylabel("episode reward")
        axes.grid(visible=False, axis="y")
        agent_steps(axes)
        _panel(axes, variants, theme)
    return figure


def _panel(axes: "Axes", variants: Mapping[str, list[Curve]], theme: Theme) -> None:
    for place, (variant, curves) in enumerate(variants.items()):
        color, dash = theme.series[place % len(theme.series)], DASHES[place // len(theme.series) % len(DASHES)]
        for series in _measured(curves):
            axes.plot(series.steps, series.values, color=color, alpha=0.3, lw=1, ls=dash)
        _variant(axes, variant, curves, color, dash)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.16))
    else:
        say(axes, "no finished episode", theme)


def _variant(axes: "Axes", variant: str, curves: Sequence[Curve], color: str, dash: str) -> None:
    grid, means = _means(curves)
    if not means:
        return
    count = means[0].count
    label = f"{variant}: {count} seeds, 95 % interval" if count > 1 else f"{variant}: one seed: no interval"
    axes.plot(grid, [each.mean for each in means], color=color, lw=2.2, ls=dash, label=label)
    if count > 1:
        low, high = [each.low or 0.0 for each in means], [each.high or 0.0 for each in means]
        axes.fill_between(grid, low, high, color=color, alpha=0.16, lw=0)
