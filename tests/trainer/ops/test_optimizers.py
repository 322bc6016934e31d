"""Steps of each optimizer against its formula, and of torch's own where that has one."""

from math import sqrt

import pytest
import torch

from trainer.ops.adam import Adam
from trainer.ops.adamw import AdamW
from trainer.ops.global_norm import GlobalNorm
from trainer.ops.muon import Muon, orthogonal
from trainer.ops.op import OptimizerOp
from trainer.ops.sgd import Sgd
from trainer.ops.slots import Gradients, Matrix, OptimizerStep

ALL = [Adam(), AdamW(), Sgd(), Muon()]


def stepped(op: OptimizerOp, gradients: list[float], learning_rate: float = 0.1) -> float:
    """One parameter that starts at 2."""
    parameter, state = torch.tensor([2.0]), {}
    for gradient in gradients:
        op(OptimizerStep(parameter, torch.tensor([gradient]), learning_rate, (), state))
    return parameter.item()


def test_adam_steps_by_its_bias_corrected_moments():
    gradients, m, v, weight = [3.0, -1.0], 0.0, 0.0, 2.0
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        weight -= 0.1 * (m / (1 - 0.9**t)) / (sqrt(v / (1 - 0.99**t)) + 1e-5)
    assert stepped(Adam(beta2=0.99), gradients) == pytest.approx(weight, rel=1e-5)


def test_adamw_also_shrinks_the_weight_by_learning_rate_times_decay():
    assert stepped(AdamW(weight_decay=0.5, eps=1e-8), [3.0]) == pytest.approx(2.0 * (1 - 0.05) - 0.1, rel=1e-5)


def test_sgd_accumulates_momentum_and_penalizes_size():
    assert stepped(Sgd(momentum=0.5), [1.0, 1.0]) == pytest.approx(2.0 - 0.1 * 1.0 - 0.1 * 1.5, rel=1e-6)
    assert stepped(Sgd(momentum=0, weight_decay=0.3), [1.0]) == pytest.approx(2.0 - 0.1 * (1.0 + 0.3 * 2.0), rel=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Adam(), lambda p: torch.optim.Adam(p, 0.01, eps=1e-5)),
        (AdamW(weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.01, eps=1e-5, weight_decay=0.1)),
        (Sgd(weight_decay=0.1), lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, weight_decay=0.1)),
    ],
    ids=["adam", "adamw", "sgd"],
)
def test_twenty_steps_end_where_torchs_optimizer_ends(ours, theirs):
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(50, generator=generator), torch.randn(20, 50, generator=generator)
    parameter, state = start.clone(), {}
    reference = start.clone().requires_grad_()
    optimizer = theirs([reference])
    for gradient in gradients:
        ours(OptimizerStep(parameter, gradient, 0.01, (), state))
        reference.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(parameter, reference.detach(), rtol=1e-5, atol=1e-6)


def test_muon_orthogonalizes_hidden_matrices_and_leaves_the_rest_to_adam():
    generator = torch.Generator().manual_seed(0)
    before, gradients = torch.zeros(8 * 4 + 3), torch.randn(8 * 4 + 3, generator=generator)
    parameters = before.clone()
    Muon()(OptimizerStep(parameters, gradients, 0.1, [Matrix(0, 8, 4)], {}))
    spectrum = torch.linalg.svdvals(parameters[:32].view(8, 4)) / (0.1 * 0.2 * sqrt(8))
    assert spectrum.min() > 0.6, "Newton-Schulz brings all singular values near 1"
    assert spectrum.max() < 1.3
    torch.testing.assert_close(parameters[32:], -0.1 * gradients[32:].sign(), rtol=1e-3, atol=1e-4)


def test_an_orthogonal_matrix_keeps_its_directions():
    basis, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))
    found = orthogonal(basis * 7.0)
    torch.testing.assert_close(found / found.norm(), basis / basis.norm(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
def test_an_optimizer_whose_state_was_saved_goes_on_as_if_it_was_not(op, tmp_path):
    def run(interrupted: bool) -> torch.Tensor:
        generator = torch.Generator().manual_seed(2)
        parameters, state = torch.ones(12), {}
        for step in range(4):
            if interrupted and step == 2:
                torch.save(state, tmp_path / "state")
                state = torch.load(tmp_path / "state", weights_only=True)
            gradients = torch.randn(12, generator=generator)
            op(OptimizerStep(parameters, gradients, 0.1, [Matrix(0, 2, 4)], state))
        return parameters

    assert torch.equal(run(False), run(True))


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
def test_gradients_stay_as_they_are(op):
    gradients = torch.arange(12.0)
    op(OptimizerStep(torch.ones(12), gradients, 0.1, [Matrix(0, 2, 4)], {}))
    assert torch.equal(gradients, torch.arange(12.0))


@pytest.mark.parametrize(
    ("gradients", "clipped"),
    [([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4]), ([0.0, 0.0], [0.0, 0.0])],
)
def test_gradients_longer_than_the_norm_are_scaled_to_it_and_others_left(gradients, clipped):
    given_ones = torch.tensor(gradients)
    norm = GlobalNorm()(Gradients(given_ones, max_norm=1.0))
    torch.testing.assert_close(given_ones, torch.tensor(clipped), rtol=1e-5, atol=1e-6)
    assert norm.item() == pytest.approx(sqrt(sum(value**2 for value in gradients)))


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
def test_counts_stay_on_the_host_and_all_else_is_where_the_parameters_are(op):
    gradients, state = torch.ones(4, device="meta"), {}
    hidden = (Matrix(0, 2, 2),)
    for _ in range(2):
        op(OptimizerStep(torch.ones(4, device="meta"), gradients, 0.1, hidden, state))
    assert state
    assert {name: value.device.type for name, value in state.items()} == {
        name: "meta" if value.ndim else "cpu" for name, value in state.items()
    }
