"""Advantage ops against values worked out by hand, and against each other where theory says that they agree."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.ops.gae import Gae
from trainer.ops.monte_carlo import MonteCarlo
from trainer.ops.op import AdvantageOp
from trainer.ops.slots import Experience
from trainer.ops.td_lambda import TdLambda
from trainer.ops.vtrace import VTrace

ALL = [Gae(), MonteCarlo(), TdLambda(), VTrace()]


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def experience(rewards, values, next_values, ends, gamma=0.9, gae_lambda=0.5, ratios=None) -> Experience:
    """One agent's steps; `ratios` are target over behaviour probabilities."""
    logs = np.zeros((len(rewards), 1), np.float32)
    return Experience(
        rewards=column(*rewards),
        values=column(*values),
        next_values=column(*next_values),
        ends=np.array(ends, bool)[:, None],
        log_probs=logs,
        target_log_probs=logs if ratios is None else np.log(column(*ratios)),
        gamma=gamma,
        gae_lambda=gae_lambda,
    )


@st.composite
def experiences(draw: st.DrawFn, *, on_policy: bool = True, endless: bool = False) -> Experience:
    """Random rollouts whose next values are those of the following step unless an episode ends."""
    steps, slots = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rewards, values, own = rng.normal(size=(3, steps, slots)).astype(np.float32)
    ends = np.zeros((steps, slots), bool) if endless else rng.random((steps, slots)) < 0.3
    final = np.where(rng.random((steps, slots)) < 0.5, 0, own).astype(np.float32)
    following = np.concatenate([values[1:], own[-1:]])
    logs, other = rng.normal(-1, 0.3, size=(2, steps, slots)).astype(np.float32)
    return Experience(
        rewards=rewards,
        values=values,
        next_values=np.where(ends, final, following),
        ends=ends,
        log_probs=logs,
        target_log_probs=logs if on_policy else other,
        gamma=draw(st.floats(0, 1)),
        gae_lambda=draw(st.floats(0, 1)),
    )


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_gae_over_three_steps_is_the_sum_written_out():
    estimate = Gae()(experience([1, 2, 3], [0.5, 1, 1.5], [1, 1.5, 2], [0, 0, 0]))
    deltas = [1 + 0.9 * 1 - 0.5, 2 + 0.9 * 1.5 - 1, 3 + 0.9 * 2 - 1.5]
    middle = deltas[1] + 0.45 * deltas[2]
    close(estimate.advantages[:, 0], np.array([deltas[0] + 0.45 * middle, middle, deltas[2]]))
    close(estimate.returns, estimate.advantages + column(0.5, 1, 1.5))


def test_gae_with_lambda_0_is_the_one_step_error_and_a_lambda_of_its_own_goes_before_the_specs():
    given_one = experience([1, 2], [3, 5], [5, 8], [0, 0], gamma=0.5, gae_lambda=0.7)
    close(Gae(gae_lambda=0)(given_one).advantages, column(1 + 2.5 - 3, 2 + 4 - 5))
    close(Gae()(given_one).advantages, Gae(gae_lambda=0.7)(given_one).advantages)


def test_monte_carlo_over_two_episodes_is_the_discounted_sum_of_each():
    estimate = MonteCarlo()(experience([1, 2, 4, 8], [0, 0, 0, 0], [9, 0, 9, 3], [0, 1, 0, 0]))
    close(estimate.returns, column(1 + 0.9 * 2, 2, 4 + 0.9 * (8 + 0.9 * 3), 8 + 0.9 * 3))


def test_td_lambda_over_two_steps_is_the_mixture_written_out():
    estimate = TdLambda(td_lambda=0.25)(experience([1, 2], [5, 6], [6, 7], [0, 0]))
    last = 2 + 0.9 * 7
    close(estimate.returns, column(1 + 0.9 * (0.75 * 6 + 0.25 * last), last))


def test_vtrace_over_two_steps_is_equation_1_written_out():
    estimate = VTrace(rho_clip=1.5, c_clip=1.2)(experience([1, 2], [5, 6], [6, 7], [0, 0], ratios=[2.0, 0.5]))
    delta_0, delta_1 = 1.5 * (1 + 0.9 * 6 - 5), 0.5 * (2 + 0.9 * 7 - 6)
    close(estimate.returns, column(5 + delta_0 + 0.9 * 1.2 * delta_1, 6 + delta_1))
    close(estimate.advantages, column(1.5 * (1 + 0.9 * (6 + delta_1) - 5), delta_1))


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
@pytest.mark.parametrize("final_value", [0.0, 3.0], ids=["terminated", "truncated"])
def test_an_end_takes_the_value_of_its_final_observation_and_nothing_from_what_follows(op: AdvantageOp, final_value):
    advantages = op(experience([1, 7], [0.25, 4], [final_value, 9], [1, 0])).advantages
    assert advantages[0, 0] == pytest.approx(1 + 0.9 * final_value - 0.25, rel=1e-5)


@given(experiences())
def test_on_policy_vtrace_and_td_1_and_gae_1_are_monte_carlo(batch):
    expected = MonteCarlo()(batch)
    for op in (VTrace(), TdLambda(td_lambda=1), Gae(gae_lambda=1)):
        close(op(batch).returns, expected.returns)
        close(op(batch).advantages, expected.advantages)


@given(experiences(), st.floats(0, 1))
def test_td_lambda_and_gae_are_the_same_estimate(batch, decay):
    close(TdLambda(td_lambda=decay)(batch).advantages, Gae(gae_lambda=decay)(batch).advantages)


@given(experiences(on_policy=False), st.sampled_from(ALL))
def test_agents_do_not_see_each_other_and_inputs_stay_as_they_are(batch, op):
    before = {name: np.copy(value) for name, value in vars(batch).items()}
    together = op(batch)
    for slot in range(batch.rewards.shape[1]):
        one = slice(slot, slot + 1)
        arrays = {name: value[:, one] for name, value in vars(batch).items() if isinstance(value, np.ndarray)}
        np.testing.assert_array_equal(op(replace(batch, **arrays)).advantages, together.advantages[:, one])
    assert all(np.array_equal(before[name], value) for name, value in vars(batch).items())


@given(experiences(on_policy=False), st.sampled_from(ALL))
def test_estimates_are_float32_of_the_rollouts_shape(batch, op):
    estimate = op(batch)
    for found in (estimate.advantages, estimate.returns):
        assert (found.dtype, found.shape) == (np.float32, batch.rewards.shape)
