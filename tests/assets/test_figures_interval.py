"""Means and intervals are those of the textbook; long, torn and missing series stay honest."""

import math
from random import Random

import numpy as np
import pytest
from scipy import stats

from assets.figures.interval import Mean, common_grid, mean_curve
from assets.figures.series import Series, missing, series_of, smoothed, thinned
from assets.figures.throughput import pace

NAN = math.nan


def over_seeds(values: list[float]) -> Mean:
    """The mean curve of one level curve a seed, at its middle."""
    (found,) = mean_curve([Series([0.0, 2.0], [value, value]) for value in values], [1.0])
    return found


def test_the_interval_of_three_seeds_is_students() -> None:
    # With two degrees of freedom the quantile has a closed form: t(p) = (2p - 1) / sqrt(2p(1 - p)); here s = 2.
    half = 0.95 / math.sqrt(2 * 0.975 * 0.025) * 2 / math.sqrt(3)
    found = over_seeds([1.0, 3.0, 5.0])
    assert (found.mean, found.count) == (3.0, 3)
    assert found.low == pytest.approx(3 - half, abs=1e-9)
    assert found.high == pytest.approx(3 + half, abs=1e-9)


@pytest.mark.parametrize("count", [2, 5, 40])
def test_the_interval_is_scipys(count: int) -> None:
    drawn = Random(count)
    values = [drawn.gauss(10, 3) for _ in range(count)]
    mean, half = np.mean(values), stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    found = over_seeds(values)
    assert (found.low, found.high) == (pytest.approx(mean - half), pytest.approx(mean + half))


def test_one_seed_has_no_interval_and_says_so() -> None:
    one = over_seeds([2.5])
    assert (one.low, one.high, str(one)) == (None, None, "2.5 (one seed: no interval)")


def test_curves_are_averaged_where_all_of_them_were_measured_and_nowhere_else() -> None:
    one, other = Series([0, 100, 200], [0, 10, 20]), Series([100, 200, 300], [20, 40, 60])
    grid = common_grid([one, other])
    assert (grid[0], grid[-1]) == (100, 200)
    means = mean_curve([one, other], grid)
    assert (means[0].mean, means[-1].mean) == (pytest.approx(15), pytest.approx(30))


def test_curves_that_share_no_stretch_have_no_mean() -> None:
    assert common_grid([Series([0, 10], [1, 1]), Series([20, 30], [1, 1])]) == []
    assert common_grid([Series([0, 10], [1, 1]), Series([0, 10], [NAN, NAN])]) == []
    assert common_grid([]) == []


def test_a_long_series_is_thinned_to_means_of_what_is_there() -> None:
    found = thinned(Series([1, 2, 3, 4, 5, 6, 7], [1, 3, NAN, 7, NAN, NAN, 9]), most=4)
    assert (found.steps, found.updates) == ([2, 4, 6, 7], 2)
    assert found.values[:2] + found.values[3:] == [2, 7, 9]
    assert math.isnan(found.values[2])


def test_smoothing_keeps_gaps_and_a_constant() -> None:
    found = smoothed([5.0, NAN, 5.0, 5.0])
    assert [found[0], found[2], found[3]] == pytest.approx([5, 5, 5])
    assert math.isnan(found[1])


@pytest.mark.parametrize("value", [None, NAN, math.inf, "7", True])
def test_what_is_no_number_is_a_gap_and_counted(value: object) -> None:
    rows = [{"agent_steps": 1, "x": 1.0}, {"agent_steps": 2, "x": value}, {"agent_steps": 3}]
    assert series_of(rows, "x").known == [1.0]
    assert missing(rows, "x") == 2


def test_a_metric_may_have_either_of_its_names() -> None:
    rows = [{"agent_steps": 1, "losses/clipfrac": 0.25}]
    assert series_of(rows, "losses/clip_fraction", "losses/clipfrac").values == [0.25]


def test_the_pace_of_an_update_is_its_steps_over_its_seconds_and_a_gap_where_the_clock_went_back() -> None:
    rows = [{"agent_steps": 100 * n, "seconds": seconds} for n, seconds in ((1, 2.0), (2, 3.0), (3, 1.0), (4, None))]
    values = pace(rows).values
    assert values[:2] == [50, 100]
    assert all(map(math.isnan, values[2:]))
