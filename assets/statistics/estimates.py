"""Means and interquartile means of few runs, with intervals that are wide enough for few; it compares nothing."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEVEL = 0.05


@dataclass(frozen=True)
class Estimate:
    """A number of `count` runs with its two-sided interval of coverage `1 - level`; none where there can be none."""

    value: float
    low: float | None
    high: float | None
    count: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types."""
        return asdict(self)


def mean(scores: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean of n >= 1 runs and `mean ± t(1 - level/2, n-1) · s / √n` (Student 1908)."""
    return _estimate(*mean_interval(np.asarray(scores, np.float64), level), len(scores))


def iqm(scores: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean of the middle half of n >= 1 runs (Agarwal et al. 2021) with Tukey and McLaughlin's interval (1963)."""
    return _estimate(*iqm_interval(np.asarray(scores, np.float64), level), len(scores))


def mean_interval(scores: Array, level: float = LEVEL) -> tuple[Array, Array, Array]:
    """Mean, low and high of `scores` `(..., n)`; the ends are NaN for n = 1."""
    count = scores.shape[-1]
    middle = scores.mean(axis=-1)
    error = scores.std(axis=-1, ddof=1) / math.sqrt(count) if count > 1 else np.full_like(middle, np.nan)
    return _around(middle, error, count - 1, level)


def iqm_interval(scores: Array, level: float = LEVEL) -> tuple[Array, Array, Array]:
    """Interquartile mean, low and high of `scores` `(..., n)`; the ends are NaN for n = 1.

    g = ⌊n/4⌋ runs are cut off at each end, h = n - 2g stay. The error is `√(SSD_w / (h (h-1)))` with the sum of squared
    deviations of the Winsorized scores (Yuen 1974), of h - 1 degrees of freedom. Below four runs it is the mean.
    """
    count = scores.shape[-1]
    cut = count // 4
    kept = count - 2 * cut
    ordered = np.sort(scores, axis=-1)
    middle = ordered[..., cut : count - cut].mean(axis=-1)
    if kept < 2:
        return _around(middle, np.full_like(middle, np.nan), 1, level)
    winsorized = np.clip(ordered, ordered[..., cut, None], ordered[..., count - cut - 1, None])
    squares = winsorized.var(axis=-1) * count
    return _around(middle, np.sqrt(squares / (kept * (kept - 1))), kept - 1, level)


def t_quantile(degrees: float, level: float) -> float:
    """Student's t at `1 - level/2`."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 1 - level / 2))


def _around(middle: Array, error: Array, degrees: int, level: float) -> tuple[Array, Array, Array]:
    half = t_quantile(max(degrees, 1), level) * error
    return middle, middle - half, middle + half


def _estimate(middle: Array, low: Array, high: Array, count: int) -> Estimate:
    least, most = (float(end) if math.isfinite(end) else None for end in (low, high))
    return Estimate(float(middle), least, most, count)
