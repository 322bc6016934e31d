"""The statistics of few runs: closed forms, rliable's own values, and what must hold whatever the scores are."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from assets.statistics.aggregates import (
    improvement,
    improvement_estimate,
    performance_profile,
)
from assets.statistics.contrasts import MOST_SEEDS, paired, power, seeds_to_decide, unpaired
from assets.statistics.effects import is_grid, main_effects
from assets.statistics.estimates import iqm, mean
from assets.statistics.verdicts import LEAST, holm, judged

GOLDEN = json.loads((Path(__file__).parent / "golden" / "rliable.json").read_text())["matrices"]
SCORES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=12)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["name"])
def test_aggregates_are_those_of_rliable(golden) -> None:
    first, second = np.array(golden["first"]), np.array(golden["second"])
    assert mean(first.ravel()).value == pytest.approx(golden["mean"], rel=1e-12)
    assert iqm(first.ravel()).value == pytest.approx(golden["iqm"], rel=1e-12)
    assert improvement(first, second) == pytest.approx(golden["probability_of_improvement"], rel=1e-12)
    profile = performance_profile(first, np.array(golden["thresholds"]))
    assert profile == pytest.approx(golden["performance_profile"], rel=1e-12)


def test_the_interquartile_mean_of_eight_runs_is_that_of_the_middle_four_with_yuens_error() -> None:
    found = iqm([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -100.0])
    winsorized = np.array([2.0, 2.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0])
    half = stats.t.ppf(0.975, 3) * math.sqrt(((winsorized - winsorized.mean()) ** 2).sum() / (4 * 3))
    assert found.value == 3.5
    assert (found.low, found.high) == (pytest.approx(3.5 - half), pytest.approx(3.5 + half))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_fewer_than_four_runs_the_interquartile_mean_is_the_mean(count: int) -> None:
    assert iqm([1.0, 5.0, 6.0][:count]) == mean([1.0, 5.0, 6.0][:count])


def test_a_paired_contrast_is_scipys_paired_test() -> None:
    arm, base = np.array([5.0, 7.0, 9.5, 4.0, 8.0]), np.array([4.0, 7.5, 6.0, 3.0, 5.0])
    found, known = paired(list(arm - base), 0.1), stats.ttest_rel(arm, base)
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9)
    interval = known.confidence_interval(0.9)
    assert (found.difference.low, found.difference.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_an_unpaired_contrast_is_welchs_test() -> None:
    arm, base = [5.0, 7.0, 9.5, 4.0], [1.0, 2.5, 2.0]
    found, known = unpaired(arm, base), stats.ttest_ind(arm, base, equal_var=False)
    assert found.p_value == pytest.approx(known.pvalue, rel=1e-9)
    interval = known.confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_differences_without_spread_are_judged_by_their_signs_alone() -> None:
    five, six, none = paired([0.1 + 0.2] * 5), paired([-2.0] * 6), paired([0.0] * 20)
    assert (five.p_value, six.p_value, none.p_value) == (1 / 16, 1 / 32, 1.0)
    assert [each.word for each in (judged([one])[0] for one in (five, six, none))] == [
        "inconclusive",
        "worse",
        "inconclusive",
    ]
    assert seeds_to_decide(five, 0.05, LEAST) == 6
    assert unpaired([2.0] * 4, [1.0] * 4).p_value == 2 / 70


def test_the_probability_of_improvement_has_an_end_even_where_every_run_is_better() -> None:
    found = improvement_estimate(np.array([9.0, 8.0, 7.0, 9.5, 8.5]), np.array([1.0, 2.0, 3.0, 1.5, 2.5]))
    assert found.value == found.high == 1.0
    # It ends where the probability is t of its own standard errors (Hanley and McNeil 1982) below what was seen.
    low = found.low or 0.0
    error = math.sqrt(low * (1 - low) * (1 + 4 * ((1 - low) / (2 - low) + low / (1 + low))) / 25)
    assert 1 - low == pytest.approx(stats.t.ppf(0.975, 8) * error)
    assert low > 0.5, "five against five is enough to tell"
    assert improvement_estimate(np.array([1.0]), np.array([0.0, 2.0])).low is None


def test_power_is_that_of_the_tables() -> None:
    # Cohen's effect 0.5, level 0.05, 80 %: 34 pairs; two groups of 64 (Cohen 1988, tables 2.3 and 2.4).
    assert power(0.5, 33, 0.05, pairs=True) < 0.8 <= power(0.5, 34, 0.05, pairs=True)
    assert power(0.5, 63, 0.05, pairs=False) < 0.8 <= power(0.5, 64, 0.05, pairs=False)
    assert power(0.0, 10, 0.05, pairs=True) == pytest.approx(0.025)
    assert power(1e9, 900, 0.05, pairs=True) == 1.0


def test_the_seeds_that_would_decide_are_the_fewest_with_that_power() -> None:
    rng = np.random.default_rng(1)
    found = paired(list(rng.normal(0.6, 1.0, 6)))
    seeds = seeds_to_decide(found, 0.05, LEAST)
    effect = found.difference.value / found.spread
    assert seeds is not None and LEAST < seeds < MOST_SEEDS
    assert power(effect, seeds - 1, 0.05, pairs=True) < 0.8 <= power(effect, seeds, 0.05, pairs=True)
    assert seeds_to_decide(paired([1.0, -1.0, 1e-3, -1e-4]), 0.05, LEAST) is None, "more than a thousand"
    assert seeds_to_decide(paired([5.0, 5.1, 4.9]), 0.05, LEAST) == LEAST


def test_holm_is_the_step_down_of_the_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_two_pairs_are_never_claimed_from_and_do_not_cost_the_others_anything() -> None:
    few, clear = paired([10.0, 10.1]), paired([10.0, 10.1, 9.9, 10.3])
    verdicts = judged([few, clear])
    assert few.p_value is not None and few.p_value < 0.05
    assert [each.word for each in verdicts] == ["inconclusive", "better"]
    assert verdicts[0].p_adjusted is None and "a verdict takes 3 pairs of one seed" in verdicts[0].why
    assert verdicts[1].p_adjusted == clear.p_value


def test_of_many_claims_each_has_to_be_clearer() -> None:
    close = paired([1.0, 2.0, 2.9, 0.6, 0.4])
    assert close.p_value is not None and 0.03 < close.p_value < 0.05
    assert judged([close])[0].word == "better"
    together = judged([close, close])
    assert [each.word for each in together] == ["inconclusive", "inconclusive"]
    assert "after Holm over 2 claims" in together[0].why


def test_main_effects_are_means_over_the_grid_with_intervals_over_seeds() -> None:
    # score = seed + 3 for `b` + 10 for `y` + 2 more for both: the effect of b is 3 + 2/2, of y 10 + 2/2.
    cells = {
        (one, two): {
            seed: seed + 3.0 * (one == "b") + 10.0 * (two == "y") + 2.0 * (one + two == "by") for seed in (1, 2)
        }
        for one in "ab"
        for two in "xy"
    }
    first, second = main_effects(("one", "two"), cells)
    assert (first.factor, first.base, first.value, first.estimate.value) == ("one", "a", "b", 4.0)
    assert (second.factor, second.estimate.value, second.estimate.count) == ("two", 11.0, 2)
    assert main_effects(("one", "two"), {**cells, ("b", "y"): {}}) == []


def test_a_grid_has_every_combination_of_two_factors_or_more() -> None:
    assert is_grid([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")])
    assert not is_grid([("a", "x"), ("a", "y"), ("b", "x")])
    assert not is_grid([("a", "x"), ("b", "x")])
    assert not is_grid([("a", "x"), ("b", "y")])


@given(SCORES, st.floats(-100, 100), st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_estimates_move_and_stretch_with_the_scores(scores: list[float], shift: float, factor: float) -> None:
    for estimate in (mean, iqm):
        found, moved = estimate(scores), estimate([factor * score + shift for score in scores])
        tolerance = 1e-9 * (1 + abs(factor) * max(map(abs, scores)) + abs(shift))
        assert moved.value == pytest.approx(factor * found.value + shift, abs=tolerance)
        assert found.low is not None and found.high is not None and moved.low is not None
        assert found.low <= found.value <= found.high
        assert moved.low == pytest.approx(factor * found.low + shift, abs=1e4 * tolerance)


@given(SCORES, SCORES)
@example(arm=[0.0, 0.0], base=[0.0, 3.8e-149])  # whose variance has a square that is zero
@settings(max_examples=50, deadline=None)
def test_the_two_sides_of_a_contrast_mirror_each_other(arm: list[float], base: list[float]) -> None:
    there, back = unpaired(arm, base), unpaired(base, arm)
    assert there.difference.value == -back.difference.value
    assert there.p_value == back.p_value
    words = {"better": "worse", "worse": "better", "inconclusive": "inconclusive"}
    assert judged([back])[0].word == words[judged([there])[0].word]
    assert judged([there], higher_is_better=False) == judged([back])
    forth, mirror = (improvement_estimate(np.array(a), np.array(b)) for a, b in ((arm, base), (base, arm)))
    assert forth.value == pytest.approx(1 - mirror.value)
    assert forth.low == pytest.approx(1 - (mirror.high or 0.0), abs=1e-9)
    assert forth.low is not None and forth.high is not None and 0 <= forth.low <= forth.value <= forth.high <= 1


@given(SCORES)
@settings(max_examples=50, deadline=None)
def test_a_profile_falls_from_all_runs_to_none(scores: list[float]) -> None:
    edges = np.array([min(scores) - 1, *sorted(scores), max(scores) + 1])
    parts = performance_profile(np.array(scores), edges).tolist()
    assert (parts[0], parts[-1]) == (1.0, 0.0)
    assert parts == sorted(parts, reverse=True)
