"""For every clause of `compute_advantage` an op that breaks it, and as few others as can be, and is told so."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

from trainer.engine.conformance import advantage, everywhere
from trainer.ops.gae import Gae


def estimate(change):
    def compute(given):
        found = Gae()(given)
        return replace(found, **change(given, found))

    return compute


def wavering_advantage():
    calls = count()
    return estimate(lambda given, found: {"returns": found.returns + np.float32(1e-6 * next(calls))})


def zeroing_advantage(given):
    found = Gae()(given)
    given.rewards[:] = 0
    return found


def less_its_slots(given, found):
    return {"advantages": found.advantages - found.advantages.mean(1, keepdims=True)}


def infinite_at_ends(given, found):
    return {"returns": np.where(given.ends, np.float32(np.inf), found.returns)}


def in_float64(given, found):
    return {"returns": found.returns.astype(np.float64)}


def as_tensors(given, found):
    return {"advantages": torch.from_numpy(found.advantages)}


ADVANTAGE = [
    (everywhere.runs, lambda given: given.no_such_field),
    (advantage.returns_an_estimate, lambda given: (given.rewards, given.values)),
    (advantage.returns_an_estimate, estimate(as_tensors)),
    (everywhere.repeats, wavering_advantage()),
    (everywhere.keeps, zeroing_advantage),
    (advantage.has_shape, estimate(lambda given, found: {"returns": found.returns[..., None]})),
    (advantage.is_float32, estimate(in_float64)),
    (
        advantage.is_finite,
        estimate(infinite_at_ends),
    ),
    (
        advantage.tells_slots_apart,
        estimate(less_its_slots),
        advantage.ends_with_the_episode,
    ),
    (advantage.ends_with_the_episode, lambda given: Gae()(replace(given, ends=np.zeros_like(given.ends)))),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:std")
@pytest.mark.parametrize("case", ADVANTAGE, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_compute_advantage_is_told_it_and_why(case, assert_told):
    assert_told("compute_advantage", *case)


def test_every_clause_of_compute_advantage_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("compute_advantage", ADVANTAGE)
