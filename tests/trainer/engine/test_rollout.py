"""What a rollout remembers, in an environment whose every step is known."""

import gymnasium
import numpy as np
import pytest
import torch

from trainer.contract import AgentConfig, EnvConfig
from trainer.engine.rollout import Collector, in_order, trim
from trainer.envs.interface import EpisodeEnd, Spaces
from trainer.envs.vector import VectorEnv
from trainer.policies.actor_critic import ActorCritic


class Clock(gymnasium.Env):
    """Shows how many steps the episode has; pays that number; terminates at `end`, or is cut by a time limit."""

    observation_space = gymnasium.spaces.Box(0, 100, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, end: int) -> None:
        self.end = end

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = 0
        return np.array([0], np.float32), {}

    def step(self, action):
        self.now += 1
        return np.array([self.now], np.float32), float(self.now), self.now == self.end, False, {}


@pytest.fixture
def clock():
    gymnasium.register("Clock-v0", entry_point=Clock, max_episode_steps=3)
    yield "Clock-v0"
    del gymnasium.registry["Clock-v0"]


def collect(env_id: str, end: int, steps: int, rollouts: int = 1, kind: type[ActorCritic] = ActorCritic):
    with VectorEnv(EnvConfig(id=env_id, kwargs={"end": end}), num_envs=2) as envs:
        torch.manual_seed(0)
        spaces = Spaces(envs.observation_space, envs.action_space, envs.num_agents)
        policy = kind(spaces, AgentConfig(hidden_sizes=(4,)))
        collector = Collector(envs, torch.Generator().manual_seed(0), torch.device("cpu"))
        collector.restart([0, 1])
        return policy, [collector.collect(policy, steps) for _ in range(rollouts)]


def value_of(policy: ActorCritic, now: int) -> float:
    observation = torch.tensor([[float(now)]])
    return policy.value(observation, policy.initial_state(1), torch.tensor([False])).item()


def test_observations_rewards_and_ends_stand_in_the_order_they_came(clock):
    _, [rollout] = collect(clock, end=2, steps=5)
    assert rollout.observations[:, 0, 0].tolist() == [0, 1, 0, 1, 0]
    assert rollout.rewards[:, 0].tolist() == [1, 2, 1, 2, 1]
    assert rollout.ends[:, 0].tolist() == [False, True, False, True, False]
    assert rollout.starts[:, 0].tolist() == [True, False, True, False, True]
    assert [end.returns.tolist() for end in rollout.ended] == [[3.0]] * 4


def test_a_terminated_step_has_next_value_0(clock):
    policy, [rollout] = collect(clock, end=2, steps=3)
    assert rollout.next_values[1].tolist() == [0, 0]
    assert rollout.next_values[0, 0] == pytest.approx(value_of(policy, 1), rel=1e-5)


def test_a_truncated_step_has_the_value_of_its_final_observation(clock):
    policy, [rollout] = collect(clock, end=99, steps=4)
    assert rollout.ends[:, 0].tolist() == [False, False, True, False]
    assert rollout.next_values[2, 0] == pytest.approx(value_of(policy, 3), rel=1e-5)
    assert rollout.next_values[2, 0] != pytest.approx(value_of(policy, 0), rel=1e-5)


class Telling(ActorCritic):
    """A subclass, so that it acts in torch, and tells the value of each step as it acts."""


def test_values_told_step_by_step_are_those_that_are_asked_for_at_once(clock):
    _, [at_once] = collect(clock, end=2, steps=4)
    _, [told] = collect(clock, end=2, steps=4, kind=Telling)
    assert told.actions.tolist() == at_once.actions.tolist()
    np.testing.assert_allclose(told.values, at_once.values, rtol=1e-5)
    assert at_once.values.dtype == np.float32 and len(set(at_once.values[:2, 0].tolist())) == 2


def test_the_last_step_of_a_rollout_is_continued_by_the_first_of_the_next(clock):
    policy, [first, second] = collect(clock, end=99, steps=2, rollouts=2)
    assert first.next_values[-1, 0] == pytest.approx(value_of(policy, 2), rel=1e-5)
    assert second.observations[0, 0, 0] == 2
    assert not second.starts[0].any()


def test_tokens_are_trimmed_to_the_columns_in_use():
    tokens = np.full((2, 6, 3), 255, np.uint8)
    tokens[0, :2] = 1
    tokens[1, :4] = 2
    assert trim(tokens).shape == (2, 4, 3)
    assert trim(np.full((2, 6, 3), 255, np.uint8)).shape == (2, 1, 3)


def ended(env: int, length: int) -> EpisodeEnd:
    return EpisodeEnd(env=env, returns=np.zeros(1), length=length, stats={})


def test_the_episodes_of_two_processes_stand_in_the_order_in_which_one_would_have_seen_them():
    ends = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 1, 1, 0]], np.bool_)
    first, second = [ended(1, 10), ended(0, 20), ended(1, 30)], [ended(1, 11), ended(0, 31)]
    found = [(end.env, end.length) for end in in_order([first, second], ends)]
    assert found == [(1, 10), (3, 11), (0, 20), (1, 30), (2, 31)]


def test_episodes_that_no_end_marks_are_an_error():
    with pytest.raises(ValueError, match="tell of 1 episodes that ended, but mark 2 ends"):
        in_order([[ended(0, 1)], []], np.ones((1, 2), np.bool_))
