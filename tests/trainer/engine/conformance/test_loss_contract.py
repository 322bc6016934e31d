"""For every clause of `compute_loss` an op that breaks it, and as few others as can be, and is told so."""

from dataclasses import replace
from itertools import count

import pytest

from trainer.engine.conformance import everywhere, loss
from trainer.ops.ppo_clip import PpoClip


def lost(**changes):
    """The clipped loss with some of its parts made otherwise, each from the sample and the loss."""

    def compute(given):
        found = PpoClip()(given)
        return replace(found, **{name: change(given, found) for name, change in changes.items()})

    return compute


def wavering_loss():
    calls = count()
    return lost(clipfrac=lambda given, found: found.clipfrac + next(calls))


def scaling_loss(given):
    found = PpoClip()(given)
    given.returns.mul_(2)
    return found


def asking_loss(given):
    given.advantages.requires_grad_()
    return PpoClip()(given)


def steep(given, found):
    return found.total + (given.entropy - given.entropy.detach()).abs().sqrt().sum()


LOSS = [
    (everywhere.runs, lambda given: given.no_such_field),
    (loss.returns_a_loss, lambda given: PpoClip()(given).total),
    (loss.returns_a_loss, lost(total=lambda given, found: found.total + given.advantages)),
    (everywhere.repeats, wavering_loss()),
    (everywhere.keeps, scaling_loss),
    (loss.is_finite, lost(approx_kl=lambda given, found: given.advantages.std())),
    (loss.measures_without_gradients, lost(policy=lambda given, found: found.total * 1)),
    (loss.reaches_the_policy, lost(total=lambda given, found: found.value + given.values.mean())),
    (loss.has_finite_gradients, lost(total=steep)),
    (loss.asks_for_no_other_gradient, asking_loss),
    (loss.descends_towards_advantage, lost(total=lambda given, found: -found.total)),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:std")
@pytest.mark.parametrize("case", LOSS, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_compute_loss_is_told_it_and_why(case, assert_told):
    assert_told("compute_loss", *case)


def test_every_clause_of_compute_loss_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("compute_loss", LOSS)
