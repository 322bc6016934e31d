"""Advantages against values worked out by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.ops.gae import gae


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def ends(*flags: int) -> np.ndarray:
    return np.array(flags, bool)[:, None]


def test_three_steps_match_the_sum_written_out():
    rewards, values = column(1, 2, 3), column(0.5, 1.0, 1.5)
    next_values = column(1.0, 1.5, 2.0)
    advantages, returns = gae(rewards, values, next_values, ends(0, 0, 0), gamma=0.9, gae_lambda=0.5)
    deltas = [1 + 0.9 * 1.0 - 0.5, 2 + 0.9 * 1.5 - 1.0, 3 + 0.9 * 2.0 - 1.5]
    last = deltas[2]
    middle = deltas[1] + 0.45 * last
    first = deltas[0] + 0.45 * middle
    np.testing.assert_allclose(advantages[:, 0], [first, middle, last], rtol=1e-6)
    np.testing.assert_allclose(returns, advantages + values, rtol=1e-6)


def test_a_terminated_episode_takes_nothing_from_what_follows():
    rewards, values = column(1, 7), column(0.25, 4)
    advantages, _ = gae(rewards, values, column(0, 9), ends(1, 0), gamma=0.9, gae_lambda=0.95)
    np.testing.assert_allclose(advantages[0], 1 - 0.25, rtol=1e-6)


def test_a_truncated_episode_is_continued_by_the_value_of_its_final_observation():
    final_value = 3.0
    advantages, _ = gae(column(1, 7), column(0.25, 4), column(final_value, 9), ends(1, 0), gamma=0.9, gae_lambda=0.95)
    np.testing.assert_allclose(advantages[0], 1 + 0.9 * final_value - 0.25, rtol=1e-6)


def test_lambda_0_is_the_one_step_error():
    rewards, values, following = column(1, 2), column(3, 5), column(5, 8)
    advantages, _ = gae(rewards, values, following, ends(0, 0), gamma=0.5, gae_lambda=0.0)
    np.testing.assert_allclose(advantages, rewards + 0.5 * following - values, rtol=1e-6)


@given(st.integers(1, 12), st.integers(1, 4), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_lambda_1_returns_are_the_discounted_rewards(steps: int, slots: int, gamma: float, seed: int):
    rng = np.random.default_rng(seed)
    rewards, values = rng.normal(size=(2, steps, slots)).astype(np.float32)
    last = rng.normal(size=slots).astype(np.float32)
    following = np.concatenate([values[1:], last[None]])
    _, returns = gae(rewards, values, following, np.zeros((steps, slots), bool), gamma=gamma, gae_lambda=1.0)
    expected = last.astype(np.float64)
    for t in reversed(range(steps)):
        expected = rewards[t] + gamma * expected
        np.testing.assert_allclose(returns[t], expected, rtol=1e-3, atol=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_agents_do_not_see_each_other(seed: int):
    rng = np.random.default_rng(seed)
    rewards, values, following = rng.normal(size=(3, 6, 3)).astype(np.float32)
    flags = rng.random((6, 3)) < 0.3
    together, _ = gae(rewards, values, following, flags, gamma=0.97, gae_lambda=0.9)
    for slot in range(3):
        one = slice(slot, slot + 1)
        alone, _ = gae(rewards[:, one], values[:, one], following[:, one], flags[:, one], gamma=0.97, gae_lambda=0.9)
        np.testing.assert_array_equal(together[:, one], alone)
