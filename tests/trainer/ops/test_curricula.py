"""Curriculum ops against values worked out by hand."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from trainer.ops.bucketed import Bucketed
from trainer.ops.buckets import BucketsOp
from trainer.ops.fixed import Fixed
from trainer.ops.learning_progress import LearningProgress
from trainer.ops.levels import Level, Levels
from trainer.ops.op import CurriculumOp, implementations
from trainer.ops.slots import Lesson, Task, TaskEnd
from trainer.plain.refusal import Refused

# Written out of order: tasks are numbered by the alphabet.
BUCKETS = {"b": (5.0, 3.0, 4.0), "a": (1.0, 2.0)}
THREE = {"x": (0.0, 1.0, 2.0)}


def lesson(num_envs=4, ended=(), state=None, seed=0) -> Lesson:
    ends = [TaskEnd(task=task, reward=reward, length=10) for task, reward in ended]
    return Lesson(num_envs, ends, 0.0, {} if state is None else state, np.random.default_rng(seed))


def returns(x: float, *rewards: float) -> list[tuple[Task, float]]:
    return [({"x": x}, reward) for reward in rewards]


def after(op: LearningProgress, ended) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    op(lesson(ended=ended, state=state))
    return state


def test_four_curricula_are_registered():
    assert set(implementations()["curriculum"]) == {"fixed", "bucketed", "learning_progress", "levels"}


def test_fixed_gives_everyone_the_specs_own_environment():
    given = lesson(num_envs=3)
    assert list(Fixed()(given)) == [{}, {}, {}]
    assert given.generator.bit_generator.state == np.random.default_rng(0).bit_generator.state, "no chance is used"


def test_tasks_are_numbered_like_an_odometer_over_the_paths_in_alphabetical_order():
    op = Bucketed(buckets=BUCKETS)
    expected = [{"a": a, "b": b} for a, b in product((1.0, 2.0), (5.0, 3.0, 4.0))]
    assert [op.task(number) for number in range(op.num_tasks)] == expected
    assert [op.number(task) for task in expected] == list(range(6))


def test_the_order_of_tasks_outlives_a_file_that_sorts_its_keys():
    op = Bucketed(buckets=BUCKETS)
    read = Bucketed.accept(json.loads(json.dumps(op.plain(), sort_keys=True)))
    assert [read.task(number) for number in range(6)] == [op.task(number) for number in range(6)]


@pytest.mark.parametrize("task", [{}, {"a": 1.0}, {"a": 1.0, "b": 9.0}, {"a": 1.0, "b": 5.0, "c": 0.0}])
def test_a_task_outside_the_product_has_no_number(task):
    assert Bucketed(buckets=BUCKETS).number(task) is None


def test_a_draw_among_the_most_tasks_there_may_be_is_one_of_them():
    op = Bucketed(buckets={path: tuple(range(100)) for path in "ab"})
    assert op.num_tasks == 10_000
    assert op.task(4207) == {"a": 42.0, "b": 7.0}
    assert op.number({"a": 42.0, "b": 7.0}) == 4207


class Compared(float):
    """Counts how often it is compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return float(self) == other

    __hash__ = float.__hash__


def test_a_tasks_number_is_looked_up_and_not_searched_for():
    op = Bucketed(buckets={"a": tuple(range(10_000))})
    assert op.number({"a": Compared(9_999)}) == 9_999
    assert Compared.times < 10


@pytest.mark.parametrize("op", [Bucketed, LearningProgress])
@pytest.mark.parametrize(
    ("buckets", "message"),
    [
        ({}, "buckets are empty: name a path and its values, or use the curriculum 'fixed'"),
        ({"a": ()}, "buckets.a = []: give one or more values"),
        ({"a": (1, 2, 1.0)}, "buckets.a = [1.0, 2.0, 1.0]: give one or more values, each of them once"),
        ({"a": tuple(range(101)), "b": tuple(range(100))}, "buckets make 10100 tasks, more than 10000"),
        ({"a": (float("nan"),)}, "finite"),
    ],
)
def test_buckets_that_make_no_set_of_tasks_are_refused(op: type[BucketsOp], buckets, message):
    with pytest.raises(Refused) as refused:
        op.accept({"buckets": buckets})
    assert message in str(refused.value)


def test_bucketed_draws_every_task_equally_often():
    op = Bucketed(buckets=BUCKETS)
    drawn = [op.number(task) for task in op(lesson(num_envs=60_000))]
    counts = np.bincount(np.array(drawn, int), minlength=6)
    # Five standard deviations of a binomial count with p = 1/6.
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(60_000 * 5 / 36)


def test_bucketed_draws_for_each_environment_from_the_generator_alone():
    op = Bucketed(buckets=BUCKETS)
    numbers = np.random.default_rng(3).integers(6, size=8)
    assert list(op(lesson(num_envs=8, seed=3))) == [op.task(int(number)) for number in numbers]
    assert list(op(lesson(num_envs=8, seed=3, ended=returns(0.0, 9.0)))) == list(op(lesson(num_envs=8, seed=3)))


def test_averages_begin_at_the_first_return_and_follow_the_next_in_order():
    op = LearningProgress(buckets=THREE, fast_rate=0.5, slow_rate=0.25)
    state = after(op, returns(1.0, 8.0, 12.0, 4.0) + returns(2.0, -1.0))
    # fast: 8, 8 + 4/2 = 10, 10 - 6/2 = 7; slow: 8, 8 + 4/4 = 9, 9 - 5/4 = 7.75.
    assert state["fast"].tolist() == [0.0, 7.0, -1.0]
    assert state["slow"].tolist() == [0.0, 7.75, -1.0]
    assert state["ends"].tolist() == [0.0, 3.0, 1.0]


def test_returns_taken_in_at_once_or_call_by_call_are_the_same():
    op = LearningProgress(buckets=THREE)
    ended = returns(0.0, 3.0, 1.0) + returns(2.0, 5.0, 9.0)
    state: dict[str, np.ndarray] = {}
    for end in ended:
        op(lesson(ended=[end], state=state))
    for name, array in after(op, ended).items():
        assert state[name].tolist() == array.tolist()


def test_ends_of_other_tasks_are_ignored():
    op = LearningProgress(buckets=THREE)
    assert not any(array.any() for array in after(op, [({}, 7.0), ({"x": 9.0}, 7.0), ({"y": 1.0}, 7.0)]).values())


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ([], [1 / 3, 1 / 3, 1 / 3]),
        # One end shows no change: nothing is known of any task.
        (returns(0.0, 5.0), [1 / 3, 1 / 3, 1 / 3]),
        (returns(0.0, 5.0, 5.0), [1 / 3, 1 / 3, 1 / 3]),
        # |fast - slow| after two returns is (1/2 - 1/4) of their difference: 1 and 3; a fall counts like a rise.
        (returns(0.0, 0.0, 4.0) + returns(1.0, 0.0, -12.0) + returns(2.0, 5.0, 5.0), [0.275, 0.625, 0.1]),
        # What has not ended twice is as likely as what moves most: L = 1, 3, 3.
        (returns(0.0, 0.0, 4.0) + returns(1.0, 0.0, 12.0) + returns(2.0, 99.0), [0.2, 0.4, 0.4]),
        (returns(0.0, 0.0, 4.0) + returns(1.0, 0.0, 12.0), [0.2, 0.4, 0.4]),
    ],
)
def test_probabilities_are_progress_with_a_floor(ended, expected):
    op = LearningProgress(buckets=THREE, fast_rate=0.5, slow_rate=0.25, exploration=0.3)
    probabilities = op.probabilities(after(op, ended))
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)


def test_learning_progress_draws_by_its_probabilities_from_the_generator_alone():
    op = LearningProgress(buckets=THREE, fast_rate=0.5, slow_rate=0.25, exploration=0.3)
    ended = returns(0.0, 0.0, 4.0) + returns(1.0, 0.0, -12.0) + returns(2.0, 5.0, 5.0)
    numbers = np.random.default_rng(5).choice(3, size=20, p=op.probabilities(after(op, ended)))
    assert list(op(lesson(num_envs=20, ended=ended, seed=5))) == [op.task(int(number)) for number in numbers]


def test_a_copied_state_goes_on_with_the_same_draws():
    op = LearningProgress(buckets=THREE)
    state = after(op, returns(0.0, 0.0, 4.0) + returns(1.0, 0.0, -12.0))
    copied = {name: array.copy() for name, array in state.items()}
    for seed in range(5):
        ended = returns(float(seed % 3), 10.0 * seed)
        one = op(lesson(num_envs=9, ended=ended, state=state, seed=seed))
        # Another op, as after a restart: all that is remembered is in the state.
        other = LearningProgress(buckets=THREE)(lesson(num_envs=9, ended=ended, state=copied, seed=seed))
        assert list(one) == list(other)
    assert all(array.dtype == np.float64 and array.shape == (3,) for array in state.values())


def test_without_its_state_it_would_draw_otherwise():
    op = LearningProgress(buckets=THREE)
    state = after(op, returns(0.0, 0.0, 4.0) + returns(1.0, 0.0, 0.0) + returns(2.0, 0.0, 0.0))
    assert list(op(lesson(num_envs=30, state=state))) != list(op(lesson(num_envs=30)))


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.05, 0.2)])
def test_a_fast_average_that_is_not_faster_is_refused(rates):
    with pytest.raises(Refused, match="is not above slow_rate"):
        LearningProgress.accept({"fast_rate": rates[0], "slow_rate": rates[1]})


@pytest.mark.parametrize("op", [Fixed(), Bucketed(), LearningProgress()], ids=lambda op: op.name)
def test_every_environment_gets_a_task(op: CurriculumOp):
    assert len(op(lesson(num_envs=7))) == 7


def test_curricula_run_without_torch():
    code = """
import sys, numpy
from trainer.ops.op import implementations
from trainer.ops.slots import Lesson
for op in implementations()["curriculum"].values():
    op()(Lesson(2, [], 0.0, {}, numpy.random.default_rng(0)))
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


EASY, HARD = {"x": (0.0,)}, {"x": (1.0, 2.0)}


def played(
    op: Levels, *lessons: tuple[float, list[tuple[Task, float]]]
) -> tuple[list[set[float]], dict[str, np.ndarray]]:
    """The values of x that each lesson (its progress, the episodes that ended) assigns, and the state at the end."""
    state: dict[str, np.ndarray] = {}
    assigned: list[set[float]] = []
    for progress, ended in lessons:
        given = replace(lesson(num_envs=64, ended=ended, state=state), progress=progress)
        assigned.append({task["x"] for task in op(given)})
    return assigned, state


def test_a_level_ends_at_its_part_of_training():
    op = Levels(levels=(Level(buckets=EASY, until_progress=0.25), Level(buckets=HARD)))
    assigned, state = played(op, (0.0, []), (0.2, []), (0.25, []), (0.9, []))
    assert assigned == [{0.0}, {0.0}, {1.0, 2.0}, {1.0, 2.0}]
    assert state["began"].tolist() == [0.0, 0.25]


def test_a_level_ends_where_the_mean_of_enough_episodes_of_its_own_reaches_the_reward():
    op = Levels(levels=(Level(buckets=EASY, until_reward=5.0, episodes=2), Level(buckets=HARD)))
    assigned, state = played(
        op,
        (0.0, []),
        (0.1, returns(0.0, 9.0)),  # too few
        (0.2, returns(1.0, 9.0, 9.0)),  # not of this level
        (0.3, returns(0.0, 0.0)),  # mean of the last two: 4.5
        (0.4, returns(0.0, 10.0)),  # 5
        (0.5, returns(0.0, -9.0, -9.0)),  # there is no way back
    )
    assert assigned == [{0.0}] * 4 + [{1.0, 2.0}] * 2
    assert state["began"].tolist() == [0.0, 0.4]
    assert state["returns"].tolist() == []


def test_the_first_of_two_ends_counts_and_levels_can_be_passed_at_once():
    both = {"until_progress": 0.5, "until_reward": 5.0, "episodes": 1}
    op = Levels(
        levels=(Level(buckets=EASY, **both), Level(buckets={"x": (3.0,)}, until_progress=0.6), Level(buckets=HARD))
    )
    assert played(op, (0.0, []), (0.1, returns(0.0, 5.0)))[0] == [{0.0}, {3.0}]
    assigned, state = played(op, (0.0, []), (0.7, []))
    assert assigned == [{0.0}, {1.0, 2.0}]
    assert state["began"].tolist() == [0.0, 0.7, 0.7]


def test_the_returns_of_a_level_are_forgotten_when_the_next_one_begins():
    twice = tuple(Level(buckets={"x": (0.0, value)}, until_reward=5.0, episodes=2) for value in (1.0, 2.0))
    op = Levels(levels=(*twice, Level(buckets=HARD)))
    assert len(played(op, (0.0, []), (0.1, returns(0.0, 9.0, 9.0)), (0.2, returns(0.0, 9.0)))[1]["began"]) == 2


def test_within_a_level_every_task_is_drawn_equally_often():
    op = Levels(levels=(Level(buckets=BUCKETS),))
    level = op.levels[0]
    counts = np.bincount(np.array([level.number(task) for task in op(lesson(num_envs=60_000))], int), minlength=6)
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(60_000 * 5 / 36)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "levels = []"),
        ([{"buckets": EASY}, {"buckets": HARD}], "levels.0 never ends: give it until_progress, until_reward or both"),
        ([{"buckets": EASY, "until_progress": 0.5}], "levels.0: the last level has no end"),
        (
            [{"buckets": EASY, "until_progress": end} for end in (0.5, 0.5)] + [{"buckets": HARD}],
            "levels.1.until_progress = 0.5 is not above 0.5",
        ),
        ([{"buckets": EASY, "until_progress": 1.5}, {"buckets": HARD}], "levels.0.until_progress = 1.5"),
        ([{"buckets": {"x": ()}}], "buckets.x = []: give one or more values"),
    ],
)
def test_levels_that_make_no_order_are_refused(levels, message):
    with pytest.raises(Refused) as refused:
        Levels.accept({"levels": levels})
    assert message in str(refused.value)
