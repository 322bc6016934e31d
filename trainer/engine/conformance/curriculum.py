"""What `curriculum` owes; it never says which tasks there are, for only the op knows that."""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from trainer.engine.conformance.chance import drawn_by
from trainer.engine.conformance.clause import Contract, Findings
from trainer.engine.conformance.compare import difference
from trainer.engine.conformance.everywhere import repeats, runs
from trainer.ops.slots import Lesson, Task, TaskEnd
from trainer.pipeline.steps import Function

LESSONS = 4
PLAIN = (bool, int, float, str, type(None))
SIZES = {"four environments": 4, "one environment": 1}


def course(op: Function, num_envs: int = 4) -> list[tuple[Lesson, Any]]:
    """Some lessons, each with what the op assigned in it; the episodes that end were played with its own tasks."""
    taught: list[tuple[Lesson, Any]] = []
    lesson = Lesson(num_envs, (), 0.0, {}, np.random.default_rng(0))
    for number in range(1, LESSONS + 1):
        tasks = op(lesson)
        taught.append((deepcopy(lesson), tasks))
        lesson = replace(lesson, ended=_ends(tasks, number), progress=number / LESSONS)
    return taught


def assigns_tasks(op: Function) -> Findings:
    """It returns a sequence with one task, a mapping, for each environment."""
    for name, num_envs in SIZES.items():
        for _, tasks in course(op, num_envs):
            if not isinstance(tasks, Sequence) or isinstance(tasks, str):
                yield f"it returns {type(tasks).__name__} ({name})"
            if len(tasks) != num_envs:
                yield f"it returns {len(tasks)} tasks for {num_envs} environments ({name})"
            for task in tasks:
                if not isinstance(task, Mapping):
                    yield f"a task is {type(task).__name__} ({name})"


def assigns_plain_values(op: Function) -> Findings:
    """A task maps paths to finite numbers, strings, bools or None."""
    for task in _tasks(op):
        for path, value in task.items():
            if not isinstance(path, str):
                yield f"the path {path!r} is {type(path).__name__}, not str"
            if type(value) not in PLAIN or (isinstance(value, float) and not math.isfinite(value)):
                yield f"the value of {path!r} is {value!r} ({type(value).__name__})"


def keeps_lessons(op: Function) -> Findings:
    """It leaves the episodes that ended and their tasks as they were."""
    for lesson, tasks in course(op):
        given = replace(deepcopy(lesson), ended=_ends(tasks, 1))
        before = deepcopy(given.ended)
        op(given)
        found = difference(before, given.ended, "ended")
        if found:
            yield found


def remembers_in_arrays(op: Function) -> Findings:
    """Its state holds arrays of numbers by name and nothing else."""
    for lesson, _ in course(op):
        for name, value in lesson.state.items():
            if not isinstance(name, str) or not isinstance(value, np.ndarray):
                yield f"state[{name!r}] is {type(value).__name__}"
            elif value.dtype.kind not in "biuf":
                yield f"state[{name!r}] is an array of {value.dtype}"


def goes_on_from_what_was_saved(op: Function) -> Findings:
    """From a copy of state and generator it goes on as if nothing had been copied."""
    lessons = _copied_at_each_call(op)
    for number, (lesson, assigned) in enumerate(lessons):
        op(deepcopy(lessons[0][0]))
        found = difference(list(op(deepcopy(lesson))), assigned, "task")
        if found:
            yield f"in lesson {number + 1}: {found}"


def draws_from_its_generator(op: Function) -> Findings:
    """All its chance comes from the lesson's generator."""
    yield from drawn_by(lambda: course(op))


def _tasks(op: Function) -> Iterator[Task]:
    return (task for num_envs in SIZES.values() for _, tasks in course(op, num_envs) for task in tasks)


def _ends(tasks: Sequence[Task], number: int) -> tuple[TaskEnd, ...]:
    """Two episodes of each task: good ones, bad ones, and more with every lesson."""
    return tuple(
        TaskEnd(deepcopy(task), reward=math.sin(env + number * turn), length=10 * (env + turn))
        for turn in (1, 2)
        for env, task in enumerate(tasks)
    )


def _copied_at_each_call(op: Function) -> list[tuple[Lesson, list[Any]]]:
    """Every lesson of a course as it was before the op was called, and what was assigned then."""
    seen: list[tuple[Lesson, list[Any]]] = []

    def watched(lesson: Lesson) -> Any:
        before = deepcopy(lesson)
        tasks = op(lesson)
        seen.append((before, deepcopy(list(tasks))))
        return tasks

    course(watched)
    return seen


def _assigned(op: Function, num_envs: int) -> list[Any]:
    return [[lesson.state, list(tasks)] for lesson, tasks in course(op, num_envs)]


_TRIALS = {name: partial(_assigned, num_envs=num_envs) for name, num_envs in SIZES.items()}

CONTRACT = Contract(
    premises=(partial(runs, trials=_TRIALS), assigns_tasks),
    clauses=(
        partial(repeats, trials=_TRIALS),
        keeps_lessons,
        assigns_plain_values,
        remembers_in_arrays,
        goes_on_from_what_was_saved,
        draws_from_its_generator,
    ),
)
