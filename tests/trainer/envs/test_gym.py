"""Gymnasium's environments behave as in Gymnasium's own loop, and what cannot be trained on is refused."""

import gymnasium
import numpy as np
import pytest

from trainer.contract.environment import EnvConfig
from trainer.envs.interface import BoxActions, DiscreteActions, VectorObservations
from trainer.envs.vector import VectorEnv
from trainer.plain.refusal import Refused


def test_a_fallen_pole_is_a_termination_with_its_last_observation(play) -> None:
    played = play(EnvConfig(id="CartPole-v1"), num_envs=3, steps=80)
    step, slot = np.argwhere(played.terminated)[0]
    assert not played.truncated.any()
    position, _, angle, _ = played.final_observations[step, slot]
    assert abs(position) > 2.4 or abs(angle) > 0.2094
    assert np.abs(played.observations[step, slot]).max() <= 0.05


def test_a_time_limit_is_a_truncation_with_its_last_observation(play) -> None:
    played = play(EnvConfig(id="Pendulum-v1", kwargs={"max_episode_steps": 5}), num_envs=1, steps=12)
    assert np.flatnonzero(played.truncated[:, 0]).tolist() == [4, 9]
    assert not played.terminated.any()
    assert not np.array_equal(played.final_observations[4], played.observations[4])


def test_every_step_is_what_gymnasium_itself_gives(play) -> None:
    config = EnvConfig(id="CartPole-v1", kwargs={"max_episode_steps": 15})
    actions = np.random.default_rng(1).integers(0, 2, (60, 1))
    played = play(config, num_envs=1, seeds=[11], actions=actions)
    seeds, env = np.random.default_rng(11), gymnasium.make("CartPole-v1", max_episode_steps=15)
    observation, _ = env.reset(seed=int(seeds.integers(2**31 - 1)))
    np.testing.assert_array_equal(played.first[0], observation)
    for step, action in enumerate(actions[:, 0]):
        observation, reward, terminated, truncated, _ = env.step(int(action))
        assert (played.rewards[step, 0], played.terminated[step, 0]) == (reward, terminated)
        assert played.truncated[step, 0] == truncated
        if terminated or truncated:
            np.testing.assert_array_equal(played.final_observations[step, 0], observation)
            observation, _ = env.reset(seed=int(seeds.integers(2**31 - 1)))
        np.testing.assert_array_equal(played.observations[step, 0], observation)
    assert played.terminated.any() and played.truncated.any()


def test_a_wrapper_of_the_environment_itself_is_stepped_with_it_and_so_is_the_time_limit_around_it(play) -> None:
    made = gymnasium.envs.registration.EnvSpec(
        "Doubled-v0",
        entry_point=lambda: gymnasium.wrappers.TransformReward(gymnasium.make("CartPole-v1"), lambda paid: 2 * paid),
        max_episode_steps=7,
    )
    gymnasium.registry[made.id] = made
    try:
        played = play(EnvConfig(id=made.id), num_envs=2, steps=15)
    finally:
        del gymnasium.registry[made.id]
    assert set(played.rewards.ravel().tolist()) == {2.0}
    assert np.flatnonzero(played.truncated[:, 0]).tolist() == [6, 13]


def test_continuous_actions_are_clipped_to_the_box(play) -> None:
    config = EnvConfig(id="Pendulum-v1")
    wild = np.random.default_rng(0).normal(0, 5, (30, 2, 1))
    far, clipped = play(config, actions=wild), play(config, actions=np.clip(wild, -2, 2))
    np.testing.assert_array_equal(far.observations, clipped.observations)
    np.testing.assert_array_equal(far.rewards, clipped.rewards)
    tamer = play(config, actions=np.clip(wild, -1, 1))
    assert not np.array_equal(far.observations, tamer.observations)


def test_a_box_without_bounds_of_its_own_is_clipped_before_the_environment_sees_it(play, tmp_path) -> None:
    from trainer.envs.replay import read_replay

    config = EnvConfig(id="MountainCarContinuous-v0", kwargs={"max_episode_steps": 3})
    path = tmp_path / "car.json.z"
    play(config, num_envs=1, actions=np.full((3, 1, 1), 9.0), replays={0: path})
    assert read_replay(path)["actions"] == [[1.0], [1.0], [1.0]]


def test_spaces_say_what_an_agent_sees_and_does() -> None:
    with VectorEnv(EnvConfig(id="Pendulum-v1"), 1) as env:
        assert env.observation_space == VectorObservations((3,))
        assert env.action_space == BoxActions(np.array([-2], np.float32), np.array([2], np.float32))
        assert env.action_space != BoxActions(np.array([-1], np.float32), np.array([2], np.float32))
    with VectorEnv(EnvConfig(id="CartPole-v1"), 1) as env:
        assert env.action_space == DiscreteActions(2)


@pytest.mark.parametrize(
    ("env_id", "nearest"), [("CartPol-v1", "CartPole-v1"), ("Pendulum", "Pendulum-v1"), ("arean", "arena")]
)
def test_an_unknown_id_is_refused_with_the_nearest_name(env_id, nearest) -> None:
    with pytest.raises(Refused) as refused:
        VectorEnv(EnvConfig(id=env_id), 1)
    (problem,) = refused.value.problems
    assert (problem.path, problem.value) == ("env.id", env_id)
    assert f"did you mean {nearest!r}" in problem.why
    assert len(problem.why) < 200


def test_an_id_near_to_nothing_is_refused_too() -> None:
    with pytest.raises(Refused, match="unknown environment"):
        VectorEnv(EnvConfig(id="qqqqqqqqqq"), 1)


def test_an_id_in_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refused, match="unknown environment"):
        VectorEnv(EnvConfig(id="no_such_module_here:Thing-v0"), 1)


def test_arguments_that_the_environment_does_not_take_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        VectorEnv(EnvConfig(id="CartPole-v1", kwargs={"gravitas": 3}), 1)
    (problem,) = refused.value.problems
    assert problem.path == "env.kwargs"
    assert "gravitas" in problem.why


def test_observations_that_are_no_box_are_refused() -> None:
    with pytest.raises(Refused, match=r"env\.id = 'FrozenLake-v1': observations are Discrete\(16\)"):
        VectorEnv(EnvConfig(id="FrozenLake-v1"), 1)
