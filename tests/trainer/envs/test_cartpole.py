"""CartPole stepped as arrays is Gymnasium's own CartPole, bit by bit, with tasks and recordings too."""

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

from trainer.contract.environment import EnvConfig
from trainer.envs.arrays import StepArrays, bytes_needed
from trainer.envs.cartpole import CartPoles
from trainer.envs.make import make_batch, spaces_of
from trainer.envs.replay import read_replay
from trainer.envs.vector import VectorEnv

TOGETHER = EnvConfig(id="CartPole-v1")
ONE_BY_ONE = EnvConfig(id="CartPole-v1", kwargs={"max_episode_steps": 500})
NAMES = ("observations", "final_observations", "rewards", "terminated", "truncated")


@pytest.fixture
def arrays() -> StepArrays:
    spaces = spaces_of(TOGETHER)
    return StepArrays.over(bytearray(bytes_needed(spaces, 3)), spaces, 3)


def test_only_cartpole_v1_as_it_is_registered_is_stepped_as_arrays(arrays) -> None:
    assert isinstance(make_batch(TOGETHER, arrays), CartPoles)
    for other in (ONE_BY_ONE, EnvConfig(id="CartPole-v0"), EnvConfig(id="Acrobot-v1"), EnvConfig()):
        assert make_batch(other, arrays) is None


def test_gymnasium_still_registers_the_environment_that_the_arrays_stand_for() -> None:
    registered = gymnasium.spec("CartPole-v1")
    assert registered.entry_point == "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    assert registered.max_episode_steps == 500
    assert not registered.kwargs
    assert not registered.additional_wrappers


def test_states_are_gymnasiums_own_to_the_last_of_64_bits(arrays) -> None:
    poles, made = CartPoles(arrays), [CartPoleEnv() for _ in range(3)]
    rng = np.random.default_rng(0)
    for _ in range(200):
        for row, env in enumerate(made):
            seed = _next(rng)
            poles.reset(np.array([row]), poles.first(np.array([seed])))
            env.reset(seed=seed)
        while not arrays.terminated.any():
            arrays.actions[:] = rng.integers(0, 2, 3)
            poles.step()
            for action, env in zip(arrays.actions, made, strict=True):
                env.step(action)
            np.testing.assert_array_equal(poles.state.transpose(2, 1, 0).reshape(3, 4), [env.state for env in made])
        arrays.terminated[:] = False


def test_every_step_is_gymnasiums_own_bit_by_bit_through_falls_and_the_time_limit() -> None:
    """Environment 0 is balanced, the others act at random."""
    rng, made = np.random.default_rng(0), [gymnasium.make("CartPole-v1") for _ in range(5)]
    seeds = [np.random.default_rng(seed) for seed in range(5)]
    seen = [env.reset(seed=_next(own))[0] for env, own in zip(made, seeds, strict=True)]
    falls = limits = 0
    with VectorEnv(TOGETHER, 5) as ours:
        ours.reset(range(5))
        np.testing.assert_array_equal(ours.observations, seen)
        for _ in range(1200):
            actions = rng.integers(0, 2, 5)
            actions[0] = 3 * seen[0][2] + seen[0][3] > 0
            ends = {end.env: end for end in ours.step(actions)}
            for row, env in enumerate(made):
                seen[row], paid, terminated, truncated, _ = env.step(actions[row])
                assert (ours.rewards[row], ours.terminated[row], ours.truncated[row]) == (paid, terminated, truncated)
                assert (row in ends) == (terminated or truncated)
                if row in ends:
                    np.testing.assert_array_equal(ours.final_observations[row], seen[row])
                    seen[row], _ = env.reset(seed=_next(seeds[row]))
                falls, limits = falls + terminated, limits + truncated
            np.testing.assert_array_equal(ours.observations, seen)
    assert falls > 100
    assert limits == 2


def _next(seeds: np.random.Generator) -> int:
    return int(seeds.integers(2**31 - 1))


def test_episodes_with_a_task_among_others_are_what_they_are_one_by_one() -> None:
    """The task pays -1 for a fall and else nothing; it begins and ends with an episode of its environment."""
    actions = np.random.default_rng(1).integers(0, 2, (300, 3))
    ours, ends = _with_tasks(TOGETHER, actions)
    theirs, their_ends = _with_tasks(ONE_BY_ONE, actions)
    for name in NAMES:
        np.testing.assert_array_equal(ours[name], theirs[name], name)
    assert ends == their_ends
    assert {(env, bool(task)) for env, task, *_ in ends} == {(0, False), (1, False), (1, True), (2, False)}


def _with_tasks(config: EnvConfig, actions: np.ndarray) -> tuple[dict[str, np.ndarray], list[tuple]]:
    shown, ends = {name: [] for name in NAMES}, []
    with VectorEnv(config, 3) as env:
        env.reset([5, 6, 7])
        for step, action in enumerate(actions):
            env.assign([{}, {"kwargs.sutton_barto_reward": True} if 100 <= step < 200 else {}, {}])
            ends += [(end.env, end.task, end.returns.tolist(), end.length, end.stats) for end in env.step(action)]
            for name, values in shown.items():
                values.append(getattr(env, name).copy())
    return {name: np.stack(values) for name, values in shown.items()}, ends


def test_a_recorded_episode_is_what_it_is_one_by_one_and_changes_no_trajectory(play, tmp_path) -> None:
    actions = np.random.default_rng(2).integers(0, 2, (120, 2))
    ours, theirs = tmp_path / "ours.z", tmp_path / "theirs.z"
    plain, recorded = (play(TOGETHER, actions=actions, replays=replays) for replays in ({}, {1: ours}))
    play(ONE_BY_ONE, actions=actions, replays={1: theirs})
    assert read_replay(ours) == read_replay(theirs) | {"kwargs": {}}
    assert [end.replay for end in recorded.all_ends if end.env == 1][:2] == [str(ours), None]
    for name in NAMES:
        np.testing.assert_array_equal(getattr(plain, name), getattr(recorded, name), name)
