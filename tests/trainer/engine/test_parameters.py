"""The policy's parameters as one vector."""

import pytest
import torch
from torch import nn

from trainer.contract import AgentConfig
from trainer.engine.parameters import Parameters
from trainer.envs.interface import DiscreteActions, Spaces, VectorObservations
from trainer.policies.actor_critic import ActorCritic


@pytest.fixture
def policy() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(Spaces(VectorObservations((3,)), DiscreteActions(2), 1), AgentConfig(hidden_sizes=(4, 5)))


def test_a_change_of_the_vector_is_a_change_of_every_parameter():
    layer = nn.Linear(2, 1)
    parameters = Parameters(layer)
    parameters.values.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert layer.weight.tolist() == [[1.0, 2.0]]
    assert layer.bias.tolist() == [3.0]


def test_the_vector_of_gradients_is_that_of_every_parameter():
    layer = nn.Linear(2, 1)
    parameters = Parameters(layer)
    layer(torch.tensor([[1.0, 2.0]])).sum().backward()
    assert parameters.gradients.tolist() == [1.0, 2.0, 1.0]


def test_hidden_matrices_are_those_between_layers_and_not_the_heads(policy):
    parameters = Parameters(policy)
    shapes = [(matrix.rows, matrix.columns) for matrix in parameters.hidden]
    assert shapes == [(4, 3), (5, 4)] * 2
    first = parameters.hidden[0]
    view = parameters.values[first.start : first.start + 12].view(4, 3)
    assert torch.equal(view, dict(policy.named_parameters())["trunk.0.layer.weight"])
