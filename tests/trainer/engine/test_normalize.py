"""The reward scale against the definition."""

import numpy as np
import pytest

from trainer.engine.normalize import CLIP, Moments, RewardScale


def test_moments_of_batches_equal_the_moments_of_all():
    batches = np.random.default_rng(0).normal(3, 2, size=(5, 40))
    moments = Moments(())
    for batch in batches:
        moments.update(batch)
    assert moments.mean == pytest.approx(batches.mean(), rel=1e-4)
    assert moments.variance == pytest.approx(batches.var(), rel=1e-3)


def test_rewards_are_divided_by_the_deviation_of_discounted_returns():
    rewards = np.array([[1.0, 0.0], [2.0, -1.0], [4.0, 3.0]], np.float32)
    ends = np.array([[False, False], [True, False], [False, False]])
    returns = [1.0, 0.0, 2 + 0.5 * 1, -1 + 0.0, 4.0, 3 + 0.5 * -1]  # the first agent starts anew after its end
    scaled = RewardScale(num_slots=2, gamma=0.5)(rewards, ends)
    np.testing.assert_allclose(scaled, rewards / np.std(returns), rtol=1e-3)


def test_the_scale_carries_returns_over_to_the_next_rollout():
    scale, no_end = RewardScale(1, 1.0), np.zeros((1, 1), bool)
    for expected in (1.0, 2.0, 3.0):
        scale(np.ones((1, 1), np.float32), no_end)
        assert scale._returns.tolist() == [expected]


def test_scaled_rewards_are_clipped():
    rewards = np.zeros((1, 1000), np.float32)
    rewards[0, 0] = 1e6
    scaled = RewardScale(1000, 0.9)(rewards, np.zeros((1, 1000), bool))
    assert scaled.max() == CLIP
