"""What a minibatch measures and how a loss reaches the parameters, in closed form as by autograd."""

import pytest
import torch
from torch import Tensor

from trainer.contract import AgentConfig
from trainer.engine.measuring import Measuring
from trainer.engine.parameters import Parameters
from trainer.envs.interface import (
    DiscreteActions,
    ObservationSpace,
    Spaces,
    TokenFeature,
    TokenObservations,
    VectorObservations,
)
from trainer.policies.actor_critic import ActorCritic
from trainer.policies.closed_form import Measures
from trainer.policies.network import ROWS_AT_ONCE

VECTORS = VectorObservations((2, 3))
TOKENS = TokenObservations(
    num_tokens=9,
    features=(
        TokenFeature(0, "episode_completion_pct", 255.0),
        TokenFeature(1, "tag", 10.0, ("mine", "altar")),
        TokenFeature(2, "agent_id", 255.0),
        TokenFeature(3, "inv:ore", 10.0),
    ),
    window_width=3,
    window_height=4,
)
ROWS = 7


class Subclass(ActorCritic):
    """The same, measured by autograd."""


class Minibatches:
    """A policy, and the same few rows each time."""

    def __init__(
        self,
        kind: type[ActorCritic],
        activation: str = "tanh",
        fixed: str = "",
        rows: int = ROWS,
        space: ObservationSpace = VECTORS,
        sizes: tuple[int, ...] = (8, 40, 6),
        tied: bool = False,
    ) -> None:
        torch.manual_seed(0)
        config = AgentConfig(hidden_sizes=sizes, activation=activation)
        self.policy = kind(Spaces(space, DiscreteActions(4), num_agents=1), config)
        torch.nn.init.normal_(self.policy.head.layer.weight)
        if tied:
            self.policy.critic[2].weight = self.policy.trunk[2].weight
        self.policy.observe(1 + 2 * torch.randn(50, 2, 3))
        for name, parameter in self.policy.named_parameters():
            parameter.requires_grad = name != fixed
        self.parameters = Parameters(self.policy)
        self.measuring = Measuring(self.policy)
        self.rows, self.actions = rows, torch.randint(4, (1, rows))
        self.observations = torch.randn(1, rows, 2, 3) if space is VECTORS else tokens(rows)

    def measured(self) -> Measures:
        state, starts = self.policy.initial_state(self.rows), torch.zeros(1, self.rows, dtype=torch.bool)
        return self.measuring.measure(self.observations, state, starts, self.actions)

    def gradient(self, loss) -> Tensor:
        self.parameters.gradients.zero_()
        self.measuring.differentiate(loss(self.measured()))
        return self.parameters.gradients.clone()


def tokens(rows: int) -> Tensor:
    """At random, of features and values that are read and of others; some rows have none, some have one twice."""
    each = torch.stack([torch.randint(high, (1, rows, 9)) for high in (3, 5, 3)], -1).to(torch.uint8)
    each[:, :, 6:] = TokenObservations.padding
    each[:, ::3] = TokenObservations.padding
    each[..., 0][each[..., 1] == 0] = TokenObservations.global_location
    return each


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


@pytest.mark.parametrize("space", [VECTORS, TOKENS], ids=["vectors", "tokens"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_what_is_measured_in_closed_form_is_what_the_policy_judges(activation, space):
    closed, judged = (Minibatches(kind, activation, space=space) for kind in (ActorCritic, Subclass))
    assert closed.policy.closed_form is not None and judged.policy.closed_form is None
    for one, other in zip(closed.measured(), judged.measured(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("space", [VECTORS, TOKENS], ids=["vectors", "tokens"])
@pytest.mark.parametrize("sizes", [(8, 40, 6), (8,)], ids=["deep", "shallow"])
def test_the_gradient_in_closed_form_is_that_of_autograd(loss, activation, space, sizes):
    closed, by_autograd = (Minibatches(kind, activation, space=space, sizes=sizes) for kind in (ActorCritic, Subclass))
    found = by_autograd.gradient(loss)
    assert found.abs().max() > 0.01
    torch.testing.assert_close(closed.gradient(loss), found)


@pytest.mark.parametrize("space", [VECTORS, TOKENS], ids=["vectors", "tokens"])
@pytest.mark.parametrize("rows", [ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 3])
def test_more_rows_than_are_computed_at_once_have_the_same_gradient(rows, space):
    closed, by_autograd = (Minibatches(kind, rows=rows, space=space) for kind in (ActorCritic, Subclass))
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
