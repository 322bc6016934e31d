"""For every clause of `compute_reward` an op that breaks it, and as few others as can be, and is told so."""

from itertools import count

import numpy as np
import pytest
import torch

from trainer.engine.conformance import everywhere, reward


def wavering_reward():
    calls = count()
    return lambda given: next(calls)


REWARD = [
    (everywhere.runs, lambda given: given.no_such_field),
    (reward.returns_numbers, lambda given: True),
    (reward.returns_numbers, lambda given: given.observations[..., 0] * torch.ones(1, requires_grad=True)),
    (reward.returns_numbers, lambda given: given.rewards > 0),
    (everywhere.repeats, wavering_reward()),
    (everywhere.keeps, lambda given: given.ends.fill(False) or given.rewards),
    (reward.has_shape, lambda given: given.rewards.mean(1)),
    (reward.is_finite, lambda given: given.rewards.astype(np.float64) * 1e300),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:std")
@pytest.mark.parametrize("case", REWARD, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_compute_reward_is_told_it_and_why(case, assert_told):
    assert_told("compute_reward", *case)


def test_every_clause_of_compute_reward_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("compute_reward", REWARD)
