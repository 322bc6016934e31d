"""For every clause of `curriculum` an op that breaks it, and as few others as can be, and is told so."""

import random
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from trainer.engine.conformance import curriculum, everywhere


def tasks(value=lambda lesson, env: env):
    return lambda lesson: [{"kwargs.gravity": value(lesson, env)} for env in range(lesson.num_envs)]


def wavering_tasks():
    calls = count()
    return tasks(lambda lesson, env: next(calls))


def remembering(name, value):
    def assign(lesson):
        lesson.state[name] = value
        return tasks()(lesson)

    return assign


def scribbling(lesson):
    for end in lesson.ended:
        end.task["seen"] = True
    return tasks()(lesson)


def with_a_memory_of_its_own():
    """Forgets when a course begins, so that only a checkpoint finds it out."""
    calls = SimpleNamespace(count=0)

    def assign(lesson):
        calls.count = 0 if lesson.progress == 0 else calls.count + 1
        return tasks(lambda lesson, env: calls.count)(lesson)

    return assign


def rolling_dice(lesson):
    random.random()
    return tasks()(lesson)


CURRICULUM = [
    (everywhere.runs, lambda given: given.no_such_field),
    (curriculum.assigns_tasks, lambda lesson: [{}]),
    (curriculum.assigns_tasks, lambda lesson: [4] * lesson.num_envs),
    (everywhere.repeats, wavering_tasks(), curriculum.goes_on_from_what_was_saved),
    (curriculum.keeps_lessons, scribbling),
    (curriculum.assigns_plain_values, tasks(lambda lesson, env: (1, 2))),
    (curriculum.assigns_plain_values, tasks(lambda lesson, env: float("nan"))),
    (curriculum.remembers_in_arrays, remembering("mean", 0.5)),
    (curriculum.remembers_in_arrays, remembering("names", np.array(["a"]))),
    (curriculum.goes_on_from_what_was_saved, with_a_memory_of_its_own()),
    (curriculum.draws_from_its_generator, rolling_dice),
]


@pytest.mark.parametrize("case", CURRICULUM, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_curriculum_is_told_it_and_why(case, assert_told):
    assert_told("curriculum", *case)


def test_every_clause_of_curriculum_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("curriculum", CURRICULUM)
