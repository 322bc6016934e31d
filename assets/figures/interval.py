"""Curves of several seeds on a common grid, summed up with intervals at each of its points; it draws nothing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.figures.series import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Interval = Callable[[Array], tuple[Array, Array, Array]]

GRID_POINTS = 200


@dataclass(frozen=True)
class Mean:
    """A mean of `count` values; `low` and `high` are its two-sided 95 % interval, none of a single value."""

    mean: float
    low: float | None
    high: float | None
    count: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:.4g} (one seed: no interval)"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


def common_grid(curves: Sequence[Series]) -> list[float]:
    """Agent-steps where every curve has been measured, evenly spaced; empty where they share no stretch."""
    known = [[step for step, _ in _points(curve)] for curve in curves]
    if not known or not all(known):
        return []
    first, last = max(min(steps) for steps in known), min(max(steps) for steps in known)
    if first > last:
        return []
    return [first + (last - first) * place / (GRID_POINTS - 1) for place in range(GRID_POINTS)]


def mean_curve(curves: Sequence[Series], grid: Sequence[float]) -> list[Mean]:
    """The mean over curves at each point of the grid, each curve a straight line between its neighbours."""
    from assets.statistics.estimates import mean_interval

    return _over_curves(mean_interval, curves, grid)


def iqm_curve(curves: Sequence[Series], grid: Sequence[float]) -> list[Mean]:
    """The interquartile mean over curves in the same way, with its own interval; of fewer than four it is the mean."""
    from assets.statistics.estimates import iqm_interval

    return _over_curves(iqm_interval, curves, grid)


def _over_curves(interval: "Interval", curves: Sequence[Series], grid: Sequence[float]) -> list[Mean]:
    import numpy as np

    count = len(curves)
    ends = interval(np.stack([_on_grid(curve, grid) for curve in curves], axis=-1))
    found = zip(*(each.tolist() for each in ends), strict=True)
    return [Mean(middle, *((low, high) if count > 1 else (None, None)), count) for middle, low, high in found]


def _on_grid(curve: Series, grid: Sequence[float]) -> "Array":
    import numpy as np

    steps, values = zip(*_points(curve), strict=True)
    return np.interp(grid, steps, values)


def _points(curve: Series) -> list[tuple[float, float]]:
    pairs = zip(curve.steps, curve.values, strict=True)
    return sorted((step, value) for step, value in pairs if not math.isnan(step) and not math.isnan(value))
