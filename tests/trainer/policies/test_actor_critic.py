"""The agent as a whole: acting step by step is judging the whole sequence."""

import numpy as np
import pytest
import torch

from trainer.contract import AgentConfig
from trainer.envs.interface import BoxActions, DiscreteActions, Spaces, VectorObservations
from trainer.policies.actor_critic import ActorCritic, interface_of

SPACES = Spaces(VectorObservations((3,)), DiscreteActions(4), num_agents=1)


@pytest.mark.parametrize("core", ["none", "gru", "lstm"])
def test_acting_step_by_step_agrees_with_judging_the_sequence(core):
    torch.manual_seed(0)
    policy = ActorCritic(SPACES, AgentConfig(hidden_sizes=(8, 8), core=core, core_size=6))
    observations, starts = torch.randn(7, 5, 3), torch.rand(7, 5) < 0.3
    first = state = policy.core.initial_state(5)
    generator = torch.Generator().manual_seed(0)
    decisions = []
    for t in range(7):
        decisions.append(policy.act(observations[t], state, starts[t], generator))
        state = decisions[-1].state
    judged = policy(observations, first, starts)
    if core != "none":
        torch.testing.assert_close(judged.values, torch.stack([decision.values for decision in decisions]))
    log_probs = policy.head.log_prob(
        judged.parameters.flatten(0, 1), torch.stack([decision.actions for decision in decisions]).flatten()
    )
    torch.testing.assert_close(log_probs, torch.stack([decision.log_probs for decision in decisions]).flatten())
    torch.testing.assert_close(judged.state, state)


@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_memory_is_cleared_where_an_episode_starts_and_only_there(core):
    torch.manual_seed(0)
    policy = ActorCritic(SPACES, AgentConfig(hidden_sizes=(8,), core=core, core_size=6))
    past = torch.randn_like(policy.core.initial_state(1))
    observation, fresh = torch.randn(1, 1, 3), policy.core.initial_state(1)
    start, inside = torch.tensor([[True]]), torch.tensor([[False]])
    cleared = policy(observation, past, start).values
    torch.testing.assert_close(cleared, policy(observation, fresh, inside).values)
    assert not torch.allclose(cleared, policy(observation, past, inside).values)


def test_greedy_actions_do_not_use_the_generator():
    policy = ActorCritic(SPACES, AgentConfig())
    state, starts = policy.core.initial_state(6), torch.zeros(6, dtype=torch.bool)
    observations = torch.randn(6, 3)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    policy.act(observations, state, starts, generator, greedy=True)
    assert torch.equal(before, generator.get_state())


def test_the_first_policy_is_nearly_uniform():
    policy = ActorCritic(SPACES, AgentConfig())
    judged = policy(torch.randn(1, 100, 3), policy.core.initial_state(100), torch.zeros(1, 100, dtype=torch.bool))
    assert (judged.parameters.exp() - 0.25).abs().max() < 0.05


def test_interfaces_differ_exactly_where_weights_would_not_fit():
    box = BoxActions(np.array([-1.0], np.float32), np.array([1.0], np.float32))
    same = Spaces(SPACES.observation, SPACES.action, num_agents=9)
    assert interface_of(same) == interface_of(SPACES)
    assert interface_of(Spaces(SPACES.observation, box, 1)) != interface_of(SPACES)
    assert interface_of(Spaces(VectorObservations((4,)), SPACES.action, 1)) != interface_of(SPACES)
