"""Learning curves of several runs: one line a variant with its interval over seeds; one seed alone gets no band."""

# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.figures.axes import agent_steps, say
from assets.figures.interval import Mean, common_grid, iqm_curve, mean_curve
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


@dataclass(frozen=True)
class Kind:
    """What is drawn of the seeds: their mean with each of them behind it, or their interquartile mean alone."""

    file: str
    label: str
    words: str
    summed_up: Callable[[Sequence[Series], Sequence[float]], list[Mean]]
    seeds: bool


MEANS = Kind("learning_curves", "episode reward", "Learning curves, mean over seeds", mean_curve, seeds=True)
MIDDLES = Kind(
    "sample_efficiency",
    "episode reward, interquartile mean",
    "Sample efficiency, interquartile mean over seeds",
    iqm_curve,
    seeds=False,
)


def seeds_curve(curves: Sequence[Curve], kind: Kind = MEANS) -> Picture:
    """Episode reward of each variant with its 95 % interval over its seeds, on the steps that they share.

    Runs of different environments stand in panels of their own: their rewards have no common scale.
    """
    panels = _grouped(curves)
    return Picture(kind.file, _alt(panels, kind), lambda theme: _draw(panels, kind, theme))


def line_style(place: int, theme: Theme) -> tuple[str, str]:
    """The color and dash of the variant at this place, the same in every figure of a comparison."""
    return theme.series[place % len(theme.series)], DASHES[place // len(theme.series) % len(DASHES)]


Panels = Mapping[str, Mapping[str, list[Curve]]]


def _grouped(curves: Sequence[Curve]) -> Panels:
    """Environment → variant → its curves, in the order of their first appearance."""
    panels: dict[str, dict[str, list[Curve]]] = {}
    for curve in curves:
        panels.setdefault(curve.environment, {}).setdefault(curve.variant, []).append(curve)
    return panels


def _alt(panels: Panels, kind: Kind) -> str:
    words: list[str] = []
    for environment, variants in panels.items():
        ends = [f"{variant} {_end(curves, kind)}" for variant, curves in variants.items()]
        words.append(f"{environment}: {'; '.join(ends)}")
    return f"{kind.words}, at the last agent-step that all seeds of a variant share. {'. '.join(words)}."


def _end(curves: Sequence[Curve], kind: Kind) -> str:
    means = _means(curves, kind)[1]
    return f"ends at {means[-1]}" if means else "has no finished episode"


def _measured(curves: Sequence[Curve]) -> list[Series]:
    """The rewards of those seeds that finished an episode."""
    return [curve.rewards for curve in curves if not curve.rewards.empty]


def _means(curves: Sequence[Curve], kind: Kind) -> tuple[list[float], list[Mean]]:
    measured = _measured(curves)
    grid = common_grid(measured)
    return grid, kind.summed_up(measured, grid) if grid else []


def _draw(panels: Panels, kind: Kind, theme: Theme) -> "Figure":
    lines = sum(map(len, panels.values()))
    figure = blank(8.4, PANEL_HEIGHT * max(len(panels), 1) + LINE_HEIGHT * lines)
    all_axes = figure.subplots(max(len(panels), 1), squeeze=False)[:, 0]
    for axes, (environment, variants) in zip(all_axes, panels.items(), strict=False):
        axes.set_title(environment, loc="left")
        axes.set_ylabel(kind.label)
        axes.grid(visible=False, axis="y")
        agent_steps(axes)
        _panel(axes, variants, kind, theme)
    return figure


def _panel(axes: "Axes", variants: Mapping[str, list[Curve]], kind: Kind, theme: Theme) -> None:
    for place, (variant, curves) in enumerate(variants.items()):
        color, dash = line_style(place, theme)
        for series in _measured(curves) if kind.seeds else ():
            axes.plot(series.steps, series.values, color=color, alpha=0.3, lw=1, ls=dash)
        _variant(axes, variant, _means(curves, kind), color, dash)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.16))
    else:
        say(axes, "no finished episode", theme)


def _variant(axes: "Axes", variant: str, line: tuple[list[float], list[Mean]], color: str, dash: str) -> None:
    grid, means = line
    if not means:
        return
    count = means[0].count
    label = f"{variant}: {count} seeds, 95 % interval" if count > 1 else f"{variant}: one seed: no interval"
    axes.plot(grid, [each.mean for each in means], color=color, lw=2.2, ls=dash, label=label)
    if count > 1:
        low, high = [each.low or 0.0 for each in means], [each.high or 0.0 for each in means]
        axes.fill_between(grid, low, high, color=color, alpha=0.16, lw=0)
