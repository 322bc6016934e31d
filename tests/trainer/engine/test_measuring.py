"""What a minibatch measures and how a loss reaches the parameters, in closed form as by autograd."""

import pytest
import torch
from torch import Tensor

from trainer.contract import AgentConfig
from trainer.engine.measuring import Measuring
from trainer.engine.parameters import Parameters
from trainer.envs.interface import DiscreteActions, Spaces, VectorObservations
from trainer.policies.actor_critic import ActorCritic
from trainer.policies.closed_form import Measures
from trainer.policies.network import ROWS_AT_ONCE

SPACES = Spaces(VectorObservations((2, 3)), DiscreteActions(4), num_agents=1)
ROWS = 7


class Subclass(ActorCritic):
    """The same, measured by autograd."""


class Minibatches:
    """A policy, and the same few rows each time."""

    def __init__(
        self, kind: type[ActorCritic], activation: str = "tanh", fixed: str = "", rows: int = ROWS, tied: bool = False
    ) -> None:
        torch.manual_seed(0)
        self.policy = kind(SPACES, AgentConfig(hidden_sizes=(8, 40, 6), activation=activation))
        torch.nn.init.normal_(self.policy.head.layer.weight)
        if tied:
            self.policy.critic[2].weight = self.policy.trunk[2].weight
        self.policy.observe(1 + 2 * torch.randn(50, 2, 3))
        for name, parameter in self.policy.named_parameters():
            parameter.requires_grad = name != fixed
        self.parameters = Parameters(self.policy)
        self.measuring = Measuring(self.policy)
        self.rows, self.observations, self.actions = rows, torch.randn(1, rows, 2, 3), torch.randint(4, (1, rows))

    def measured(self) -> Measures:
        state, starts = self.policy.initial_state(self.rows), torch.zeros(1, self.rows, dtype=torch.bool)
        return self.measuring.measure(self.observations, state, starts, self.actions)

    def gradient(self, loss) -> Tensor:
        self.parameters.gradients.zero_()
        self.measuring.differentiate(loss(self.measured()))
        return self.parameters.gradients.clone()


def everything(measured: Measures) -> Tensor:
    weights = torch.linspace(-1, 2, len(measured.values))
    squares = (measured.values - weights).square()
    return (weights * measured.log_probs.exp()).sum() + squares.sum() - (weights * measured.entropy).square().sum()


LOSSES = {
    "everything": everything,
    "log_probs": lambda measured: measured.log_probs.square().sum(),
    "values": lambda measured: measured.values.square().sum(),
    "entropy": lambda measured: measured.entropy.square().sum(),
}


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_what_is_measured_in_closed_form_is_what_the_policy_judges(activation):
    closed, judged = Minibatches(ActorCritic, activation), Minibatches(Subclass, activation)
    assert closed.policy.closed_form is not None and judged.policy.closed_form is None
    for one, other in zip(closed.measured(), judged.measured(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_gradient_in_closed_form_is_that_of_autograd(loss, activation):
    closed, by_autograd = Minibatches(ActorCritic, activation), Minibatches(Subclass, activation)
    found = by_autograd.gradient(loss)
    assert found.abs().max() > 0.01
    torch.testing.assert_close(closed.gradient(loss), found)


@pytest.mark.parametrize("rows", [ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 3])
def test_more_rows_than_are_computed_at_once_have_the_same_gradient(rows):
    closed, by_autograd = Minibatches(ActorCritic, rows=rows), Minibatches(Subclass, rows=rows)
    torch.testing.assert_close(closed.gradient(everything), by_autograd.gradient(everything), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", [ActorCritic, Subclass])
def test_gradients_of_one_minibatch_do_not_leak_into_the_next(kind):
    minibatches = Minibatches(kind)
    first = minibatches.gradient(everything)
    minibatches.gradient(LOSSES["values"])
    assert torch.equal(minibatches.gradient(everything), first)


def test_a_parameter_that_is_held_fixed_gets_no_gradient():
    minibatches = Minibatches(ActorCritic, fixed="trunk.2.weight")
    minibatches.gradient(everything)
    fixed = minibatches.policy.get_parameter("trunk.2.weight")
    assert not fixed.grad.any()
    assert minibatches.policy.get_parameter("trunk.4.weight").grad.any()


def test_a_weight_that_two_layers_share_gets_the_gradient_of_both():
    found = []
    for kind in (ActorCritic, Subclass):
        minibatches = Minibatches(kind, tied=True)
        found.append(minibatches.gradient(everything))
    torch.testing.assert_close(*found)


def test_a_loss_that_depends_on_nothing_that_was_measured_is_an_error():
    minibatches = Minibatches(ActorCritic)
    minibatches.measured()
    with pytest.raises(RuntimeError, match="does not require grad"):
        minibatches.measuring.differentiate(torch.tensor(1.0))
