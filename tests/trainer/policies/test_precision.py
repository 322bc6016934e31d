"""Mixed precision: what is multiplied in bfloat16, and what stays float32."""

import pytest
import torch

from trainer.contract import AgentConfig
from trainer.engine.measuring import Measuring
from trainer.engine.parameters import Parameters
from trainer.envs.interface import DiscreteActions, Spaces, TokenFeature, TokenObservations, VectorObservations
from trainer.policies.actor_critic import ActorCritic

TOKENS = TokenObservations(5, (TokenFeature(5, "tag", 10.0, ("mine", "altar")),), window_width=3, window_height=3)
VECTORS = VectorObservations((6,))
ROWS = 16


def policy(observation, precision: str, **agent) -> ActorCritic:
    torch.manual_seed(0)
    config = AgentConfig(hidden_sizes=(32, 32), precision=precision, **agent)
    made = ActorCritic(Spaces(observation, DiscreteActions(3), 1), config)
    torch.nn.init.normal_(made.head.layer.weight)
    return made


def given(observation) -> torch.Tensor:
    torch.manual_seed(1)
    if observation is TOKENS:
        return torch.tensor([0x11, 5, 1], dtype=torch.uint8).expand(1, ROWS, 4, 3)
    return torch.randn(1, ROWS, 6)


@pytest.mark.parametrize("core", ["none", "gru", "lstm"])
@pytest.mark.parametrize("observation", [VECTORS, TOKENS], ids=["vectors", "tokens"])
def test_what_a_policy_judges_is_float32_and_near_that_of_full_precision(observation, core):
    starts = torch.zeros(1, ROWS, dtype=torch.bool)
    full, mixed = (policy(observation, precision, core=core) for precision in ("float32", "bfloat16"))
    with torch.no_grad():
        one, other = (each(given(observation), each.initial_state(ROWS), starts) for each in (full, mixed))
    for name in ("parameters", "values", "state"):
        assert getattr(other, name).dtype == torch.float32
        torch.testing.assert_close(getattr(other, name), getattr(one, name), rtol=0.05, atol=0.05)
    assert not torch.equal(other.values, one.values)


def test_the_weights_are_those_of_full_precision_and_fit_either():
    full, mixed = policy(VECTORS, "float32"), policy(VECTORS, "bfloat16")
    assert all(torch.equal(mixed.state_dict()[name], weight) for name, weight in full.state_dict().items())
    mixed.load_state_dict(full.state_dict())


def test_gradients_and_parameters_are_float32_and_near_those_of_full_precision():
    gradients = []
    for precision in ("float32", "bfloat16"):
        made = policy(VECTORS, precision)
        parameters, measuring = Parameters(made), Measuring(made)
        starts = torch.zeros(1, ROWS, dtype=torch.bool)
        actions = torch.arange(ROWS).remainder(3).unsqueeze(0)
        measured = measuring.measure(given(VECTORS), made.initial_state(ROWS), starts, actions)
        measuring.differentiate(measured.log_probs.mean() + measured.values.square().mean())
        assert parameters.values.dtype == parameters.gradients.dtype == torch.float32
        gradients.append(parameters.gradients)
    full, mixed = gradients
    assert torch.nn.functional.cosine_similarity(full, mixed, 0) > 0.99
    assert not torch.equal(full, mixed)


def test_what_acts_on_a_cpu_judges_as_what_learns():
    made = policy(VECTORS, "bfloat16")
    state, starts = made.initial_state(ROWS), torch.zeros(ROWS, dtype=torch.bool)
    seen = given(VECTORS)
    decision = made.act(seen[0], state, starts, torch.Generator().manual_seed(0))
    measured = Measuring(made).measure(seen, state, starts.unsqueeze(0), decision.actions.unsqueeze(0))
    torch.testing.assert_close(measured.log_probs.detach(), decision.log_probs)
    torch.testing.assert_close(measured.values.detach(), made.value(seen[0], state, starts))


def test_the_shortcuts_of_full_precision_are_not_taken():
    assert policy(VECTORS, "float32").closed_form is not None
    assert policy(VECTORS, "bfloat16").closed_form is None
