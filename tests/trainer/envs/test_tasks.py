"""A task that was assigned is what the next episode is played with, wherever the environment lives."""

import multiprocessing
import os
import signal

import gymnasium
import numpy as np
import pytest

from trainer.contract.environment import ArenaConfig, EnvConfig
from trainer.envs.interface import EpisodeEnd, TokenObservations
from trainer.envs.replay import read_replay
from trainer.envs.vector import VectorEnv
from trainer.ops.slots import Task
from trainer.plain.refusal import Refused
from trainer.worker import WorkerFailed

PENDULUM = EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 5})
WEAK: Task = {"kwargs.g": 1.0}


class Payer(gymnasium.Env):
    """Pays `pay` for each step and shows `size` zeros; keeps count of how many were made and closed."""

    action_space = gymnasium.spaces.Discrete(2)
    made = 0
    closed = 0

    def __init__(self, pay: float = 1.0, size: int = 1) -> None:
        self.pay = pay
        self.observation_space = gymnasium.spaces.Box(-1, 1, (size,))
        Payer.made += 1

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}

    def step(self, action):
        return np.zeros(self.observation_space.shape, np.float32), self.pay, False, False, {}

    def close(self):
        Payer.closed += 1


@pytest.fixture
def payer():
    gymnasium.register("Payer-v0", entry_point=Payer, max_episode_steps=3)
    Payer.made = Payer.closed = 0
    yield EnvConfig(id="Payer-v0", kwargs={"size": 1})
    del gymnasium.registry["Payer-v0"]


@pytest.fixture
def tiny_arena() -> EnvConfig:
    few = {"num_mines": 4, "num_generators": 1, "num_altars": 1, "num_lasers": 0, "num_armories": 0}
    return EnvConfig(arena=ArenaConfig(num_agents=3, width=7, height=7, max_steps=17, **few))


def run(env: VectorEnv, steps: int) -> tuple[np.ndarray, np.ndarray, list[EpisodeEnd]]:
    """Observations (steps, N, *), rewards (steps, N) and ends under the noop or the zero action."""
    actions = np.zeros((env.num_slots, *env.action_space.shape), env.action_space.dtype)
    rows = [(env.step(actions), env.observations.copy(), env.rewards.copy()) for _ in range(steps)]
    ends, observations, rewards = zip(*rows, strict=True)
    return np.stack(observations), np.stack(rewards), [end for step in ends for end in step]


def count_mines(env: VectorEnv, index: int) -> int:
    """The mines in the window of an environment's first agent; on a map of 7 by 7 it sees them all."""
    space, tokens = env.observation_space, env.observations[index * env.num_agents]
    assert isinstance(space, TokenObservations)
    tag = space.feature("tag")
    return int(((tokens[:, 1] == tag.id) & (tokens[:, 2] == tag.categories.index("type:mine"))).sum())


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_next_episode_of_an_arena_has_the_mines_of_its_task(tiny_arena, num_workers) -> None:
    with VectorEnv(tiny_arena, 3, num_workers) as env:
        env.assign([{}, {"arena.num_mines": 2}, {"arena.num_mines": 6.0}])
        env.reset([0, 1, 2])
        assert [count_mines(env, index) for index in range(3)] == [4, 2, 6]
        env.assign([{"arena.num_mines": 1}, {"arena.num_mines": 2}, {}])
        _, _, ends = run(env, 16)
        assert [count_mines(env, index) for index in range(3)] == [4, 2, 6]
        assert not ends
        _, _, ends = run(env, 1)
        assert [count_mines(env, index) for index in range(3)] == [1, 2, 4]
        assert [dict(end.task) for end in ends] == [{}, {"arena.num_mines": 2}, {"arena.num_mines": 6.0}]


def test_a_reset_begins_with_the_task_that_was_assigned_last(tiny_arena) -> None:
    with VectorEnv(tiny_arena, 1) as env:
        env.reset([0])
        for mines in (1, 7):
            env.assign([{"arena.num_mines": mines}])
        env.reset([0])
        assert count_mines(env, 0) == 7


def test_the_simulator_gets_the_size_of_map_of_the_task_and_the_replay_tells(play, small_arena, tmp_path) -> None:
    path = tmp_path / "replay.json.z"
    with VectorEnv(small_arena, 1, replays={0: path}) as env:
        env.assign([{"arena.width": 12, "arena.height": 10}])
        env.reset([0])
        run(env, 17)
    assert read_replay(path)["map_size"] == [12, 10]


def test_an_arenas_rewards_change_pay_and_nothing_else(small_arena) -> None:
    with VectorEnv(small_arena, 2) as env:
        env.assign([{}, {"arena.rewards.ore": 5.0}])
        env.reset([3, 3])
        actions = np.random.default_rng(0).integers(1, 5, (17, 3))
        seen, paid = [], []
        for action in actions:
            env.step(np.concatenate([action, action]))
            seen.append(env.observations.copy())
            paid.append(env.rewards.copy())
    one, other = np.split(np.array(seen), 2, axis=1)
    np.testing.assert_array_equal(one, other)
    ours, theirs = np.split(np.array(paid), 2, axis=1)
    ore = np.isclose(ours, 0.01)
    np.testing.assert_array_equal(theirs, np.where(ore, np.float32(5.0), ours))
    assert ore.any()


def test_gravity_changes_from_the_next_episode_on_and_leaves_seeds_alone() -> None:
    weak = EnvConfig(id="Pendulum-v1", kwargs={**PENDULUM.kwargs, "g": 1.0})
    with VectorEnv(PENDULUM, 1) as env, VectorEnv(PENDULUM, 1) as as_it_is, VectorEnv(weak, 1) as weaker:
        for each in (env, as_it_is, weaker):
            each.reset([4])
        run(env, 2), run(as_it_is, 2)
        env.assign([WEAK])
        found, _, ends = run(env, 13)
        heavy, light = run(as_it_is, 13)[0], run(weaker, 15)[0][2:]
    # Steps 3 to 5 are of the episode under way; the fifth shows the first observation of the next.
    np.testing.assert_array_equal(found[:3], heavy[:3])
    np.testing.assert_array_equal(found[2:], light[2:])
    assert not np.array_equal(heavy[3], light[3])
    assert [dict(end.task) for end in ends] == [{}, WEAK, WEAK]


def test_an_empty_task_brings_back_the_config_itself(payer) -> None:
    with VectorEnv(payer, 2) as env:
        env.reset([0, 1])
        env.assign([{"kwargs.pay": 7.0}, {}])
        first = run(env, 3)[2]
        env.assign([{}, {}])
        second, third = run(env, 3)[2], run(env, 3)[2]
    assert [[end.returns[0] for end in ends] for ends in (first, second, third)] == [[3, 3], [21, 3], [3, 3]]


@pytest.mark.parametrize("env_id", ["arena", "Pendulum-v1"])
def test_the_number_of_workers_changes_nothing_of_what_is_played(env_id, small_arena) -> None:
    arena = env_id == "arena"
    path, values = ("arena.num_mines", (1, 2, 3, 8)) if arena else ("kwargs.g", (1.0, 3.0, 9.0, 10.0))

    def played(num_workers: int):
        rng = np.random.default_rng(0)
        with VectorEnv(small_arena if arena else PENDULUM, 4, num_workers) as env:
            env.reset([0, 1, 2, 3])
            for _ in range(6):
                env.assign([{path: values[choice]} for choice in rng.integers(4, size=4)])
                observations, rewards, ends = run(env, 8)
                yield observations, rewards, [(end.env, end.task, end.returns.tolist(), end.stats) for end in ends]

    here, there = list(played(1)), list(played(3))
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
        assert one[2] == other[2]
    assert len({str(task) for _, _, ends in here for _, task, _, _ in ends}) >= 4, "every task was played"


def test_a_replay_of_gymnasium_names_the_arguments_that_were_played(tmp_path) -> None:
    path = tmp_path / "replay.json.z"
    with VectorEnv(PENDULUM, 1, replays={0: path}) as env:
        env.assign([WEAK])
        env.reset([0])
        run(env, 5)
    assert read_replay(path)["kwargs"] == {"max_episode_steps": 5, "g": 1.0}


def test_a_whole_number_stays_one_where_the_config_has_one() -> None:
    with VectorEnv(PENDULUM, 1) as env:
        env.assign([{"kwargs.max_episode_steps": 3.0}])
        env.reset([0])
        assert [end.length for end in run(env, 6)[2]] == [3, 3]


def test_a_vector_that_was_assigned_nothing_says_so_in_every_end(play, small_arena) -> None:
    assert [end.task for end in play(small_arena, num_workers=2).all_ends] == [{}] * 4


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([{"kwargs.pay": 3.0}], "tasks = 1: give one for each of the 2 environments"),
        ([{"kwargs.pay": 3.0}, {"arena.num_mines": 3}], "allowed for Payer-v0: kwargs.<name>"),
        ([{"kwargs.pay": 3.0}, {"kwargs.pax": 3.0}], "could not be made with these arguments"),
        ([{"kwargs.pay": 3.0}, {"kwargs.size": 2.0}], "task = [('kwargs.size', 2.0)]: changes what an agent sees"),
    ],
)
def test_tasks_that_cannot_be_played_are_refused_and_none_of_them_holds(payer, tasks, message) -> None:
    with VectorEnv(payer, 2) as env:
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                env.assign(tasks)
            assert message in str(refused.value)
        env.reset([0, 1])
        assert [end.returns[0] for end in run(env, 3)[2]] == [3, 3]
        env.assign([{"kwargs.pay": 3.0}, {}])
        env.reset([0, 1])
        assert [end.returns[0] for end in run(env, 3)[2]] == [9, 3]


def test_a_task_is_checked_once_and_an_environment_made_once_and_closed(payer) -> None:
    with VectorEnv(payer, 2) as env:
        env.assign([{"kwargs.pay": 5.0}] * 2)
        env.reset([0, 1])
        at_first = Payer.made
        for _ in range(3):
            env.assign([{"kwargs.pay": 5.0}] * 2)
            run(env, 3)
        # One for the spaces, two that were replaced, one for the check, two that play.
        assert (at_first, Payer.made) == (6, 6)
    assert Payer.closed == 6


def test_numbers_that_only_python_takes_for_the_same_are_other_tasks(payer) -> None:
    with VectorEnv(payer, 1) as env:
        played = []
        for pay in (1, 1.0, True):
            env.assign([{"kwargs.pay": pay}])
            env.reset([0])
            (end,) = run(env, 3)[2]
            played.append(type(end.task["kwargs.pay"]))
    assert played == [int, float, bool]


def test_what_is_changed_in_a_task_after_it_was_assigned_has_no_effect(payer) -> None:
    task = {"kwargs.pay": 5.0}
    with VectorEnv(payer, 1) as env:
        env.assign([task])
        task["kwargs.pay"] = 9.0
        env.reset([0])
        (end,) = run(env, 3)[2]
    assert (end.returns[0], end.task) == (15, {"kwargs.pay": 5.0})


def test_only_workers_whose_tasks_change_are_told() -> None:
    with VectorEnv(PENDULUM, 4, 2) as env:
        env.assign([WEAK] * 4)
        (victim,) = [child for child in multiprocessing.active_children() if child.name == "envs-2-3"]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        env.assign([dict(WEAK)] * 4)
        env.assign([{}, WEAK, WEAK, WEAK])
        with pytest.raises(WorkerFailed, match="environments 2 to 3 died"):
            env.assign([{}, WEAK, WEAK, {}])
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_tasks_are_assigned_between_steps_and_not_after_the_end(num_workers) -> None:
    env = VectorEnv(PENDULUM, 2, num_workers)
    env.reset([0, 1])
    env.send(np.zeros((2, 1), np.float32))
    with pytest.raises(RuntimeError, match="under way"):
        env.assign([WEAK, WEAK])
    env.receive()
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.assign([WEAK, WEAK])
