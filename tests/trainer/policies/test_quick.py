"""Acting in numpy is what the policy computes in torch, wherever its weights lie."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.contract import AgentConfig
from trainer.engine.parameters import Parameters
from trainer.envs.interface import DiscreteActions, Spaces, TokenFeature, TokenObservations, VectorObservations
from trainer.policies.actor_critic import ActorCritic, Judgement

SPACES = Spaces(VectorObservations((2, 3)), DiscreteActions(4), num_agents=1)
ROWS = 9


@pytest.fixture(params=["tanh", "relu"])
def policy(request) -> ActorCritic:
    torch.manual_seed(0)
    policy = ActorCritic(SPACES, AgentConfig(hidden_sizes=(8, 6), activation=request.param))
    torch.nn.init.normal_(policy.head.layer.weight)
    return policy


def require_that_it_acts_as_it_judges(policy: ActorCritic, *, greedy: bool = False) -> None:
    observations = torch.randn(ROWS, 2, 3)
    state, starts = policy.initial_state(ROWS), torch.zeros(ROWS, dtype=torch.bool)
    decision = policy.act(observations, state, starts, torch.Generator().manual_seed(7), greedy=greedy)
    judged = policy(observations[None], state, starts[None])
    of_head = policy.head.sample(judged.parameters[0], torch.Generator().manual_seed(7))
    assert decision.actions.tolist() == (policy.head.mode(judged.parameters[0]) if greedy else of_head).tolist()
    torch.testing.assert_close(decision.log_probs, policy.log_prob(judged.parameters[0], decision.actions).detach())
    torch.testing.assert_close(policy.value(observations, state, starts), judged.values[0].detach())


@pytest.mark.parametrize("greedy", [False, True])
def test_actions_log_probabilities_and_values_are_those_that_the_policy_judges(policy, greedy):
    require_that_it_acts_as_it_judges(policy, greedy=greedy)


def test_observations_are_scaled_as_the_policy_scales_them(policy):
    policy.observe(3 + 2 * torch.randn(50, 2, 3))
    require_that_it_acts_as_it_judges(policy)


def test_it_goes_by_the_weights_as_they_are_now(policy):
    require_that_it_acts_as_it_judges(policy)
    parameters = Parameters(policy)  # moves them
    parameters.values.mul_(1.5)
    require_that_it_acts_as_it_judges(policy)
    parameters.values.mul_(-0.5)  # changes them where they lie
    require_that_it_acts_as_it_judges(policy)


def test_a_copy_goes_by_its_own_weights(policy):
    require_that_it_acts_as_it_judges(policy)
    copy = deepcopy(policy)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(2)
    require_that_it_acts_as_it_judges(copy)
    require_that_it_acts_as_it_judges(policy)


def test_a_copy_is_without_the_rooms_that_its_networks_compute_in(policy):
    plain = len(pickle.dumps(policy))
    require_that_it_acts_as_it_judges(policy)
    assert policy.closed_form is not None
    assert len(pickle.dumps(policy)) == plain


class Doubled(ActorCritic):
    def forward(self, observations, state, starts):
        judged = super().forward(observations, state, starts)
        return Judgement(judged.parameters, 2 * judged.values, judged.state)


def test_a_policy_that_judges_otherwise_acts_as_it_judges():
    require_that_it_acts_as_it_judges(Doubled(SPACES, AgentConfig(hidden_sizes=(8,))))


def test_a_network_that_took_another_ones_place_is_the_one_that_acts(policy):
    policy.critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 6))
    require_that_it_acts_as_it_judges(policy)


def policy_of_tokens() -> ActorCritic:
    space = TokenObservations(4, (TokenFeature(1, "tag", 10.0, ("mine", "altar")),), window_width=3, window_height=3)
    policy = ActorCritic(Spaces(space, DiscreteActions(4), num_agents=1), AgentConfig(hidden_sizes=(8, 6)))
    torch.nn.init.normal_(policy.head.layer.weight)
    return policy


def tokens(*shape: int) -> torch.Tensor:
    return torch.stack([torch.randint(high, (*shape, 4)) for high in (3, 3, 2)], -1).to(torch.uint8)


def test_of_tokens_the_value_is_told_with_the_action():
    policy, observations = policy_of_tokens(), tokens(ROWS)
    state, starts = policy.initial_state(ROWS), torch.zeros(ROWS, dtype=torch.bool)
    decision = policy.act(observations, state, starts, torch.Generator().manual_seed(7))
    judged = policy(observations[None], state, starts[None])
    drawn = policy.head.sample(judged.parameters[0], torch.Generator().manual_seed(7))
    assert torch.equal(decision.actions, drawn)
    torch.testing.assert_close(decision.log_probs, policy.log_prob(judged.parameters[0], decision.actions).detach())
    for values in (decision.values, policy.value(observations, state, starts)):
        torch.testing.assert_close(values, judged.values[0].detach())


@pytest.mark.parametrize("of_tokens", [False, True])
def test_many_steps_are_acted_as_if_each_were_asked_for_alone(policy, of_tokens):
    policy, observations = (policy_of_tokens(), tokens(5, ROWS)) if of_tokens else (policy, torch.randn(5, ROWS, 2, 3))
    at_once, alone = (torch.Generator().manual_seed(7) for _ in range(2))
    acting = policy.quick.acting(5, ROWS, at_once)
    taken = [acting.act(step).copy() for step in observations]
    expected = zip(*(policy.quick(step, alone, greedy=False) for step in observations), strict=True)
    actions, log_probs, values = acting.acted()
    assert np.array_equal(taken, actions.numpy())
    assert (values is None) is not of_tokens
    for found, each in zip((actions, log_probs, values), expected, strict=True):
        torch.testing.assert_close(found, None if found is None else torch.stack(each))
    assert torch.equal(at_once.get_state(), alone.get_state())


@given(seed=st.integers(0, 2**31), choices=st.integers(2, 5))
@settings(max_examples=10, deadline=None)
def test_actions_come_as_often_as_they_are_likely_and_have_their_own_log_probabilities(seed: int, choices: int):
    torch.manual_seed(seed)
    steps, slots = 100, 200
    policy = ActorCritic(Spaces(VectorObservations((3,)), DiscreteActions(choices), 1), AgentConfig(hidden_sizes=(8,)))
    torch.nn.init.normal_(policy.head.layer.weight)
    seen, starts = torch.randn(1, 3).expand(slots, 3), torch.zeros(1, slots, dtype=torch.bool)
    assert policy.quick is not None
    acting = policy.quick.acting(steps, slots, torch.Generator().manual_seed(seed))
    for _ in range(steps):
        acting.act(seen)
    actions, log_probs, _ = acting.acted()
    likely = policy(seen[None], policy.initial_state(slots), starts).parameters[0].detach()
    torch.testing.assert_close(log_probs.flatten(), likely[0][actions.flatten()])
    shares = actions.flatten().bincount(minlength=choices) / (steps * slots)
    torch.testing.assert_close(shares, likely[0].exp(), atol=0.02, rtol=0)
