"""A vector of environments is the same experience however it is computed."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from trainer.contract.environment import EnvConfig
from trainer.envs.vector import VectorEnv
from trainer.plain.refusal import Refused

CONFIGS = {
    "CartPole-v1": EnvConfig(id="CartPole-v1", kwargs={"max_episode_steps": 20}),
    "Pendulum-v1": EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 20}),
    "together": EnvConfig(id="CartPole-v1"),
}


@pytest.fixture(params=["arena", *CONFIGS])
def config(request, small_arena) -> EnvConfig:
    return small_arena if request.param == "arena" else CONFIGS[request.param]


def assert_same(one, other) -> None:
    np.testing.assert_array_equal(one.first, other.first)
    for step in range(len(one.rewards)):
        for name in ("observations", "final_observations", "rewards", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(one, name)[step], getattr(other, name)[step], f"{name} at {step}")
        assert [_plain(end) for end in one.ends[step]] == [_plain(end) for end in other.ends[step]]
    assert one.all_ends, "a trajectory without an end shows nothing of resets"


def _plain(end) -> tuple:
    return end.env, end.returns.tolist(), end.length, end.stats


@pytest.mark.parametrize("num_workers", [2, 3])
def test_the_number_of_workers_changes_no_step_of_any_trajectory(play, config, num_workers) -> None:
    assert_same(play(config, num_envs=4), play(config, num_envs=4, num_workers=num_workers))


def test_the_same_seeds_give_the_same_trajectory_twice(play, config) -> None:
    assert_same(play(config, seeds=[7, 8]), play(config, seeds=[7, 8]))


def test_other_seeds_give_another_trajectory(play, config) -> None:
    one, other = play(config, seeds=[7, 8]), play(config, seeds=[9, 10])
    assert not np.array_equal(one.first, other.first)
    assert not np.array_equal(one.observations[-1], other.observations[-1])


def test_each_episode_of_an_environment_begins_differently(play, config) -> None:
    played = play(config, num_envs=1, steps=120)
    starts = [step for step, ends in enumerate(played.ends) if ends]
    assert len(starts) >= 2
    assert not np.array_equal(played.observations[starts[0]], played.observations[starts[1]])
    assert not np.array_equal(played.first, played.observations[starts[0]])


def test_an_environment_does_in_company_what_it_does_alone(play, config) -> None:
    with VectorEnv(config, 3) as env:
        agents = env.num_agents
        from_all = np.arange(50 * env.num_slots).reshape(50, -1) * 7919 % 2
    if config.id == "Pendulum-v1":
        from_all = from_all[..., None].astype(np.float32)
    together = play(config, num_envs=3, seeds=[3, 4, 5], actions=from_all)
    for env in range(3):
        rows = slice(env * agents, (env + 1) * agents)
        alone = play(config, num_envs=1, seeds=[3 + env], actions=from_all[:, rows])
        np.testing.assert_array_equal(together.observations[:, rows], alone.observations)
        np.testing.assert_array_equal(together.rewards[:, rows], alone.rewards)
        expected = [replace(end, env=env) for end in alone.all_ends]
        assert [_plain(end) for end in together.all_ends if end.env == env] == [_plain(end) for end in expected]


def test_returns_and_lengths_of_an_episode_are_sums_over_its_steps(play, config) -> None:
    played = play(config, num_envs=2, steps=60)
    agents = played.rewards.shape[1] // 2
    for env in range(2):
        rewards = played.rewards[:, env * agents : (env + 1) * agents].astype(np.float64)
        began = 0
        for step, ends in enumerate(played.ends):
            for end in (end for end in ends if end.env == env):
                np.testing.assert_allclose(end.returns, rewards[began : step + 1].sum(axis=0), rtol=1e-12)
                assert end.length == step + 1 - began
                began = step + 1
        assert began > 0


def test_an_end_is_reported_exactly_where_the_flags_say_so(play, config) -> None:
    played = play(config, num_envs=3)
    agents = played.rewards.shape[1] // 3
    for step, ends in enumerate(played.ends):
        flagged = (played.terminated[step] | played.truncated[step]).reshape(3, agents)
        assert [end.env for end in ends] == np.flatnonzero(flagged.all(axis=1)).tolist()
        assert np.array_equal(flagged.any(axis=1), flagged.all(axis=1))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_sending_and_receiving_is_a_step(play, config, num_workers) -> None:
    stepped = play(config, steps=3)
    with VectorEnv(config, 2, num_workers) as env:
        actions = np.stack([_random(env) for _ in range(1)])
        env.reset([0, 1])
        env.send(actions[0])
        with pytest.raises(RuntimeError, match="under way"):
            env.send(actions[0])
        env.receive()
        with pytest.raises(RuntimeError, match="nothing was sent"):
            env.receive()
        again = play(config, actions=actions)
        np.testing.assert_array_equal(env.observations, again.observations[0])
        assert env.observations.shape == stepped.observations[0].shape


def _random(env: VectorEnv) -> np.ndarray:
    space, rng = env.action_space, np.random.default_rng(3)
    shape = (env.num_slots, *space.shape)
    return rng.integers(0, 2, shape) if space.shape == () else rng.uniform(-1, 1, shape)


def test_arrays_have_the_shapes_and_types_that_the_spaces_name(config) -> None:
    with VectorEnv(config, 3) as env:
        assert env.num_slots == 3 * env.num_agents
        for array in (env.observations, env.final_observations):
            assert array.shape == (env.num_slots, *env.observation_space.shape)
            assert array.dtype == env.observation_space.dtype
        assert env.rewards.dtype == np.float32
        assert env.terminated.dtype == env.truncated.dtype == np.bool_
        assert env.rewards.shape == env.terminated.shape == env.truncated.shape == (env.num_slots,)


def test_spaces_travel_through_pickle(config) -> None:
    with VectorEnv(config, 1) as env:
        for space in (env.observation_space, env.action_space):
            assert pickle.loads(pickle.dumps(space)) == space


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        (np.zeros(1, int), "shape"),
        (np.zeros((2, 1), int), "shape"),
        (np.zeros(2), "integers"),
        (np.array([0, 2]), "must be 0 to 1"),
        (np.array([-1, 0]), "must be 0 to 1"),
    ],
)
def test_actions_that_are_none_are_refused(actions, why) -> None:
    with VectorEnv(EnvConfig(id="CartPole-v1"), 2) as env:
        env.reset([0, 1])
        with pytest.raises(ValueError, match=why):
            env.step(actions)
        env.step(np.array([0, 1]))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_closing_twice_is_safe_and_a_closed_vector_says_so(num_workers) -> None:
    env = VectorEnv(EnvConfig(id="CartPole-v1"), 2, num_workers)
    env.reset([0, 1])
    env.close()
    env.close()
    with pytest.raises(RuntimeError, match=r"call reset|closed"):
        env.step(np.zeros(2, int))
    with pytest.raises(RuntimeError, match="closed"):
        env.reset([0, 1])


def test_a_step_before_the_first_reset_is_refused() -> None:
    with VectorEnv(EnvConfig(id="CartPole-v1"), 2) as env, pytest.raises(RuntimeError, match="call reset"):
        env.step(np.zeros(2, int))


@pytest.mark.parametrize(("envs", "workers"), [(0, 1), (2, 3), (2, 0)])
def test_impossible_sizes_are_refused(envs, workers) -> None:
    with pytest.raises(Refused):
        VectorEnv(EnvConfig(id="CartPole-v1"), envs, workers)


def test_each_environment_needs_its_seed() -> None:
    with VectorEnv(EnvConfig(id="CartPole-v1"), 2) as env, pytest.raises(ValueError, match="one for each"):
        env.reset([0])
