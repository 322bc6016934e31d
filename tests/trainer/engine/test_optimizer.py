"""The policy's parameters as one vector."""

import pytest
import torch
from torch import nn

from trainer.contract import AgentConfig, OptimizerConfig
from trainer.engine.optimizer import Optimizer, optimizer_op
from trainer.envs.interface import DiscreteActions, Spaces, VectorObservations
from trainer.ops.adam import Adam
from trainer.ops.global_norm import GlobalNorm
from trainer.ops.sgd import Sgd
from trainer.policies.actor_critic import ActorCritic


@pytest.fixture
def policy() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(Spaces(VectorObservations((3,)), DiscreteActions(2), 1), AgentConfig(hidden_sizes=(4, 5)))


def test_a_step_of_the_vector_is_a_step_of_every_parameter():
    layer = nn.Linear(2, 1)
    before = {name: value.detach().clone() for name, value in layer.named_parameters()}
    optimizer = Optimizer(layer, GlobalNorm(), Sgd(momentum=0), max_norm=1e9)
    optimizer.learning_rate = 0.5
    for _ in range(2):  # gradients of the first step must not leak into the second
        optimizer.step(layer(torch.tensor([[1.0, 2.0]])).sum())
    torch.testing.assert_close(layer.weight, before["weight"] - torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(layer.bias, before["bias"] - 1.0)


def test_gradients_are_clipped_before_the_step_and_the_norm_is_that_before():
    layer = nn.Linear(2, 1, bias=False)
    before = layer.weight.detach().clone()
    optimizer = Optimizer(layer, GlobalNorm(), Sgd(momentum=0), max_norm=1.0)
    optimizer.learning_rate = 1.0
    norm = optimizer.step(layer(torch.tensor([[3.0, 4.0]])).sum())
    assert norm.item() == pytest.approx(5.0)
    torch.testing.assert_close(layer.weight, before - torch.tensor([[0.6, 0.8]]))


def test_hidden_matrices_are_those_between_layers_and_not_the_heads(policy):
    optimizer = Optimizer(policy, GlobalNorm(), Adam(), max_norm=1.0)
    shapes = [(matrix.rows, matrix.columns) for matrix in optimizer.hidden]
    assert shapes == [(4, 3), (5, 4)] * 2
    first = optimizer.hidden[0]
    view = optimizer.parameters[first.start : first.start + 12].view(4, 3)
    assert torch.equal(view, dict(policy.named_parameters())["trunk.0.layer.weight"])


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "muon"])
def test_the_specs_optimizer_is_the_op_of_that_name_with_its_parameters(kind):
    op = optimizer_op(OptimizerConfig(type=kind, beta1=0.8, weight_decay=0 if kind == "adam" else 0.25))
    assert op.name == kind
    assert 0.8 in {getattr(op, "beta1", None), getattr(op, "momentum", None)}
    assert kind == "adam" or getattr(op, "weight_decay", None) == 0.25
