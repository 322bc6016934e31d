"""Simulated experiments: intervals cover as often as they say, and of two equal variants none is called better."""

import numpy as np
import pytest

from assets.statistics.aggregates import improvement_estimate
from assets.statistics.contrasts import paired, unpaired
from assets.statistics.estimates import LEVEL, iqm_interval, mean_interval
from assets.statistics.verdicts import judged

SEEDS = (3, 5, 10, 20)
MANY, TESTS, FEW = 20_000, 2_000, 500


def drawn(seeds: int, many: int = MANY) -> np.ndarray:
    return np.random.default_rng(seeds).normal(size=(many, seeds))


def covering(interval: tuple[np.ndarray, np.ndarray, np.ndarray], truth: float) -> float:
    _, low, high = interval
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_means_cover_95_percent_within_half_a_point(seeds: int) -> None:
    assert covering(mean_interval(drawn(seeds)), 0.0) == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_interquartile_means_cover_95_percent_within_two_points(seeds: int) -> None:
    assert covering(iqm_interval(drawn(seeds)), 0.0) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_paired_differences_of_skewed_scores_cover_95_percent_or_up_to_three_points_more(
    seeds: int,
) -> None:
    arms = np.exp(drawn(seeds, 2 * MANY)).reshape(2, MANY, seeds)
    assert 0.945 <= covering(mean_interval(arms[0] - arms[1]), 0.0) <= 0.98


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_intervals_of_the_probability_of_improvement_are_rather_too_wide(seeds: int, shift: float) -> None:
    arms, truth = drawn(seeds, 2 * FEW).reshape(2, FEW, seeds), {0.0: 0.5, 1.0: 0.7602}[shift]
    found = [improvement_estimate(one + shift, other) for one, other in zip(*arms, strict=True)]
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.95


@pytest.mark.parametrize("seeds", SEEDS)
def test_of_two_equal_variants_one_is_called_better_or_worse_as_often_as_the_level_says(seeds: int) -> None:
    arms = drawn(seeds, 2 * TESTS).reshape(2, TESTS, seeds)
    words = [judged([paired(list(difference))])[0].word for difference in arms[0] - arms[1]]
    assert 1 - words.count("inconclusive") / TESTS == pytest.approx(LEVEL, abs=0.01)
    assert words.count("better") > 0 and words.count("worse") > 0


@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("scores", ["skewed", "capped"])
def test_scores_that_are_skewed_or_stand_at_a_cap_give_no_more_false_claims(seeds: int, scores: str) -> None:
    arms = drawn(seeds, 2 * TESTS).reshape(2, TESTS, seeds)
    arms = np.exp(arms) if scores == "skewed" else np.minimum(arms, 0.0)
    words = [judged([paired(list(difference))])[0].word for difference in arms[0] - arms[1]]
    assert 1 - words.count("inconclusive") / TESTS <= LEVEL + 0.01


@pytest.mark.parametrize("seeds", [3, 20])
def test_equal_variants_with_other_seeds_give_no_more_false_claims(seeds: int) -> None:
    arms = drawn(seeds, 2 * TESTS).reshape(2, TESTS, seeds)
    words = [judged([unpaired(list(one), list(other))])[0].word for one, other in zip(*arms, strict=True)]
    assert 1 - words.count("inconclusive") / TESTS <= LEVEL + 0.01


def test_of_four_equal_variants_at_once_any_is_claimed_no_more_often_than_the_level_says() -> None:
    arms = drawn(5, 5 * FEW).reshape(5, FEW, 5)
    claimed = [
        any(
            each.word != "inconclusive"
            for each in judged([paired(list(one - arms[0, test])) for one in arms[1:, test]])
        )
        for test in range(FEW)
    ]
    assert np.mean(claimed) <= LEVEL + 0.01
