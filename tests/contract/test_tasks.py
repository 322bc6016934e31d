"""A config with a task: what it may change, and how it says what it may not."""

import pytest

from trainer.contract.environment import ArenaConfig, ArenaRewards, EnvConfig
from trainer.plain.refusal import Refused

POLE = EnvConfig(id="CartPole-v1")


def test_an_empty_task_is_the_config_itself():
    assert POLE.with_task({}) is POLE


def test_a_task_sets_its_paths_and_nothing_else():
    base = EnvConfig(arena=ArenaConfig(num_altars=3, rewards=ArenaRewards(ore=0.5)))
    expected = EnvConfig(arena=ArenaConfig(num_altars=3, num_mines=4, rewards=ArenaRewards(ore=0.5, heart=2.0)))
    assert base.with_task({"arena.num_mines": 4, "arena.rewards.heart": 2.0}) == expected
    assert base.arena.num_mines == 10, "the config itself stays as it was"


def test_a_task_sets_keyword_arguments_beside_those_of_the_config():
    base = EnvConfig(id="Pendulum-v1", kwargs={"render_mode": None, "g": 10.0})
    assert base.with_task({"kwargs.g": 1.5}).kwargs == {"render_mode": None, "g": 1.5}


def test_whole_floats_become_what_an_arena_holds():
    arena = EnvConfig().with_task({"arena.num_mines": 4.0, "arena.combat": 1.0, "arena.rewards.ore": 2.0}).arena
    assert [(type(value), value) for value in (arena.num_mines, arena.combat, arena.rewards.ore)] == [
        (int, 4),
        (bool, True),
        (float, 2.0),
    ]


@pytest.mark.parametrize(
    ("present", "given", "expected"),
    [
        (20, 30.0, 30),
        (20, 30.5, 30.5),
        (20, float("inf"), float("inf")),
        (True, 0.0, False),
        (True, 2.0, 2.0),
        (9.8, 5.0, 5.0),
        ("a", 5.0, 5.0),
        (None, 5.0, 5.0),
    ],
)
def test_whole_floats_become_what_a_keyword_argument_was_before(present, given, expected):
    found = EnvConfig(id="Some-v0", kwargs={"x": present}).with_task({"kwargs.x": given}).kwargs["x"]
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("base", "task", "message"),
    [
        (
            EnvConfig(),
            {"arena.num_mine": 4},
            "arena.num_mine = 4: no task can set this; did you mean 'arena.num_mines'",
        ),
        (EnvConfig(), {"arena.rewards": 4}, "arena.rewards = 4: no task can set this"),
        (EnvConfig(), {"kwargs.g": 4}, "kwargs.g = 4: no task can set this; allowed: arena.combat, arena.height"),
        (EnvConfig(), {"arena.num_mines": 4.5}, "arena.num_mines = 4.5: should be a valid integer"),
        (EnvConfig(), {"arena.num_mines": -1}, "arena.num_mines = -1: should be greater than or equal to 0"),
        (EnvConfig(), {"arena.num_mines": True}, "'num_mines' is true, not a number; the task is {'arena.num_mines'"),
        (EnvConfig(), {"arena.num_mines": 999.0}, "place fewer; the task is {'arena.num_mines': 999.0}"),
        (EnvConfig(), {"arena.num_agents": 4}, "arena.num_agents = 4: a task cannot change it: the number of agents"),
        (EnvConfig(), {"id": "CartPole-v1"}, "id = 'CartPole-v1': a task cannot change it: the policy is made for one"),
        (POLE, {"arena.num_mines": 4}, "arena.num_mines = 4: no task can set this; allowed for CartPole-v1: kwargs."),
        (POLE, {"kwargs": 4}, "kwargs = 4: no task can set this"),
        (POLE, {"kwargs.a.b": 4}, "kwargs.a.b = 4: no task can set this"),
    ],
)
def test_what_a_task_cannot_set_is_refused_with_path_value_and_what_is_allowed(base, task, message):
    with pytest.raises(Refused) as refused:
        base.with_task(task)
    assert message in str(refused.value)
