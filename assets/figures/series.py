"""Metrics as number series: gaps stay gaps, and long ones are thinned and smoothed honestly; it draws nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]
MOST_POINTS = 1000
SMOOTHING = 0.02  # standard deviation of the smoothing kernel, as a part of all points


@dataclass(frozen=True)
class Series:
    """Values over agent-steps; NaN is a gap. Each point is the mean of `updates` updates in a row."""

    steps: list[float]
    values: list[float]
    updates: int = 1

    @property
    def known(self) -> list[float]:
        """The values that are there."""
        return [value for value in self.values if not math.isnan(value)]

    @property
    def empty(self) -> bool:
        """Whether no value is there."""
        return not self.known


def series_of(rows: Rows, *names: str) -> Series:
    """The first of these metrics that the rows have; all gaps if they have none."""
    name = next((name for name in names if any(name in row for row in rows)), names[0])
    return thinned(Series(steps_of(rows), [number(row.get(name)) for row in rows]))


def missing(rows: Rows, *names: str) -> int:
    """How many updates lack the metric, which others have; 0 where none has it."""
    present = sum(any(not math.isnan(number(row.get(name))) for name in names) for row in rows)
    return len(rows) - present if present else 0


def steps_of(rows: Rows) -> list[float]:
    """Agent-steps at the end of each update."""
    return [number(row.get("agent_steps")) for row in rows]


def number(value: Any) -> float:
    """The value as a number; NaN for what is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)


def thinned(series: Series, most: int = MOST_POINTS) -> Series:
    """At most `most` points: the means of equally many neighbours, of those that are there."""
    width = math.ceil(len(series.steps) / most)
    if width <= 1:
        return series
    starts = range(0, len(series.steps), width)
    ends = [series.steps[min(start + width, len(series.steps)) - 1] for start in starts]
    return Series(ends, [_mean(series.values[start : start + width]) for start in starts], width)


def smoothed(values: Sequence[float]) -> list[float]:
    """Gaussian-weighted mean over the neighbours (centred, so it does not lag); gaps stay gaps."""
    import numpy as np

    data = np.asarray(values, np.float64)
    known = ~np.isnan(data)
    places = np.arange(len(data))
    width = max(SMOOTHING * len(data), 1.0)
    weights = np.exp(-0.5 * ((places[:, None] - places[None, known]) / width) ** 2)
    means = weights @ data[known] / np.maximum(weights.sum(axis=1), 1e-300)
    return np.where(known, means, np.nan).tolist()


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
