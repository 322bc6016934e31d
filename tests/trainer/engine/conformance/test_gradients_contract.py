"""For every clause of `clip_gradients` an op that breaks it, and as few others as can be, and is told so."""

from itertools import count

import pytest

from trainer.engine.conformance import everywhere, gradients
from trainer.ops.global_norm import GlobalNorm


def clipped(change, answer=lambda norm: norm):
    def clip(given):
        norm = given.gradients.norm()
        change(given)
        return answer(norm)

    return clip


def wavering_clip():
    calls = count()
    return clipped(lambda given: given.gradients.mul_(1 / (2 + next(calls)) if given.gradients.norm() > 1 else 1))


def divided_by_their_norm(given):
    norm = given.gradients.norm()
    given.gradients.mul_(norm.clamp(max=given.max_norm) / norm)


def doubled_if_long(given):
    given.gradients.mul_(2 if given.gradients.norm() > 1 else 1)


CLIP = [
    (everywhere.runs, lambda given: given.no_such_field),
    (gradients.returns_a_number, clipped(lambda given: None, float)),
    (gradients.returns_a_number, clipped(lambda given: None, lambda norm: norm[None])),
    (everywhere.repeats, wavering_clip()),
    (gradients.returns_the_norm_before, lambda given: GlobalNorm()(given).clamp(max=given.max_norm)),
    (gradients.is_finite, clipped(divided_by_their_norm)),
    (gradients.makes_nothing_longer, clipped(doubled_if_long)),
    (gradients.leaves_short_gradients, clipped(lambda given: given.gradients.mul_(0.5))),
]


@pytest.mark.parametrize("case", CLIP, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_clip_gradients_is_told_it_and_why(case, assert_told):
    assert_told("clip_gradients", *case)


def test_every_clause_of_clip_gradients_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("clip_gradients", CLIP)
