"""Means with Student's t intervals, of seeds and of curves on a common grid; it draws nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from assets.figures.series import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

    def apart(self, other: "Mean") -> bool | None:
        """Whether the intervals do not touch; none where one has none."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return None
        return self.low > other.high or self.high < other.low


def t_interval(values: Sequence[float]) -> Mean:
    """`mean ± t(0.975, n-1) · s / √n` (Student 1908) of n >= 1 finite values, s with n-1 in its denominator."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return Mean(mean, None, None, count)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = _quantile(count - 1) * deviation / math.sqrt(count)
    return Mean(mean, mean - half, mean + half, count)


@cache
def _quantile(degrees: int) -> float:
    """Student's t at 0.975."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


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
    rows = [_on_grid(curve, grid).tolist() for curve in curves]
    return [t_interval(column) for column in zip(*rows, strict=True)]


def iqm_curve(curves: Sequence[Series], grid: Sequence[float]) -> list[Mean]:
    """The interquartile mean over curves in the same way, with its own interval; of fewer than four it is the mean."""
    import numpy as np

    from assets.statistics.estimates import iqm_interval

    columns = np.stack([_on_grid(curve, grid) for curve in curves], axis=-1)
    ends = zip(*(each.tolist() for each in iqm_interval(columns)), strict=True)
    several = len(curves) > 1
    return [
        Mean(middle, low if several else None, high if several else None, len(curves)) for middle, low, high in ends
    ]


def _on_grid(curve: Series, grid: Sequence[float]) -> "NDArray[np.float64]":
    import numpy as np

    steps, values = zip(*_points(curve), strict=True)
    return np.interp(grid, steps, values)


def _points(curve: Series) -> list[tuple[float, float]]:
    pairs = zip(curve.steps, curve.values, strict=True)
    return sorted((step, value) for step, value in pairs if not math.isnan(step) and not math.isnan(value))
