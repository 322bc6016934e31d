"""For every clause of `rollout` an op that breaks it, and as few others as can be, and is told so."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

from trainer.engine.conformance import everywhere, rollout


def rolled(change):
    def collect(given):
        found = given.collect()
        return replace(found, **change(given, found))

    return collect


def wavering_rollout():
    calls = count()
    return rolled(lambda given, found: {"rewards": found.rewards + np.float32(next(calls))})


def scribbling_rollout(given):
    found = given.collect()
    with torch.no_grad():
        next(given.policy.parameters()).mul_(1.0001)
    return found


def one_step_more(given):
    found = given.collect()
    given.collector.envs.step(np.zeros(2, np.int32))
    return found


def rolling_thunder(given):
    torch.rand(())
    return given.collect()


def started_anew(given):
    given.collector.envs.reset([0, 1])
    return given.collect()


def off_by_one(given, found):
    return {"next_values": found.values.copy()}


def flattered(given, found):
    more = np.float32(1)
    return {"values": found.values + more, "next_values": found.next_values + more}


ROLLOUT = [
    (everywhere.runs, lambda given: given.no_such_field),
    (rollout.returns_a_rollout, lambda given: vars(given.collect())),
    (rollout.returns_a_rollout, rolled(lambda given, found: {"rewards": torch.from_numpy(found.rewards)})),
    (everywhere.repeats, wavering_rollout()),
    (rollout.leaves_the_policy, scribbling_rollout),
    (rollout.has_shapes, rolled(lambda given, found: {"log_probs": found.log_probs.T})),
    (rollout.has_types, rolled(lambda given, found: {"rewards": found.rewards.astype(np.float64)})),
    (rollout.is_finite, rolled(lambda given, found: {"rewards": found.rewards / np.float32(0)})),
    (rollout.acts_within_the_space, rolled(lambda given, found: {"actions": found.actions + 1})),
    (rollout.makes_exactly_its_steps, one_step_more),
    (rollout.starts_after_ends, rolled(lambda given, found: {"starts": found.starts & False})),
    (rollout.tells_of_every_end, rolled(lambda given, found: {"ended": found.ended[:-1]})),
    (rollout.goes_on, started_anew),
    (rollout.chains_values, rolled(off_by_one)),
    (rollout.values_what_it_saw, rolled(flattered)),
    (rollout.carries_no_gradient, rolled(lambda given, found: {"log_probs": found.log_probs.requires_grad_()})),
    (rollout.draws_from_its_generator, rolling_thunder),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:std")
@pytest.mark.parametrize("case", ROLLOUT, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_rollout_is_told_it_and_why(case, assert_told):
    assert_told("rollout", *case)


def test_every_clause_of_rollout_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("rollout", ROLLOUT)
