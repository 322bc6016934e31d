"""For every clause of `adam_step` and `optimizer` an op that breaks it, and as few others as can be, and is told so."""

from itertools import count

import pytest

from trainer.engine.conformance import everywhere, steps
from trainer.ops.adam import Adam
from trainer.ops.global_norm import GlobalNorm


def stepped(change):
    """Adam, after something else was done with its record."""

    def step(given):
        change(given)
        Adam().move(given.parameters, given.gradients, given.learning_rate, given.state)

    return step


def wavering_step():
    calls = count()
    return stepped(lambda given: given.parameters.add_(given.learning_rate * 1e-6 * next(calls)))


def not_in_place(given):
    parameters = given.parameters.clone()
    Adam().move(parameters, given.gradients, given.learning_rate, given.state)


def without_eps(given):
    given.parameters.sub_(given.learning_rate * given.gradients / given.gradients.abs())


def shrinking(given):
    given.parameters.mul_(0.999)


def counting_in_python(given):
    given.state["calls"] = given.state.get("calls", 0) + 1
    given.parameters.sub_(given.learning_rate * given.gradients)


def leaning_on_its_parameters(given):
    """What is remembered is the parameters themselves, which no file brings back."""
    slow = given.state.setdefault("slow", given.parameters)
    given.parameters.sub_(given.learning_rate * given.gradients)
    given.parameters.sub_(given.learning_rate * slow)


def uphill(given):
    given.parameters.add_(given.learning_rate * given.gradients)


def zeroing_step(given):
    given.parameters.sub_(given.learning_rate * given.gradients)
    given.gradients.zero_()


def forgetting_hidden(given):
    given.parameters.sub_(given.learning_rate * given.gradients)
    given.hidden.clear()


STEP = [
    (everywhere.repeats, wavering_step(), steps.goes_on_from_what_was_saved),
    (steps.moves_in_place, not_in_place),
    (steps.is_finite, without_eps),
    (steps.stands_without_a_learning_rate, stepped(shrinking)),
    (steps.remembers_in_tensors, counting_in_python),
    (steps.goes_on_from_what_was_saved, leaning_on_its_parameters),
    (steps.goes_down, uphill),
]

ADAM_STEP = [
    (everywhere.runs, lambda given: given.no_such_field),
    (steps.returns_nothing, lambda given: given.parameters.sub_(given.learning_rate * given.gradients)),
    (everywhere.keeps, zeroing_step),
    *STEP,
]


def with_norm(step):
    """A whole optimizer around a step, which clips nothing."""

    def optimize(given):
        norm = given.gradients.norm()
        step(given)
        return norm

    return optimize


OPTIMIZER = [
    (everywhere.runs, lambda given: given.no_such_field),
    (steps.returns_the_norm, zeroing_step),
    (steps.returns_the_norm, lambda given: GlobalNorm()(given.to_clip()) * 2),
    (everywhere.keeps, with_norm(forgetting_hidden)),
    *((clause, with_norm(op), *along) for clause, op, *along in STEP),
]


@pytest.mark.parametrize("case", ADAM_STEP, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_adam_step_is_told_it_and_why(case, assert_told):
    assert_told("adam_step", *case)


def test_every_clause_of_adam_step_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("adam_step", ADAM_STEP)


@pytest.mark.parametrize("case", OPTIMIZER, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_optimizer_is_told_it_and_why(case, assert_told):
    assert_told("optimizer", *case)


def test_every_clause_of_optimizer_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("optimizer", OPTIMIZER)
