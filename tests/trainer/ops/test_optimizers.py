"""One step of each optimizer against its formula."""

from math import sqrt

import pytest
import torch
from torch import nn

from trainer.contract import OptimizerConfig
from trainer.ops.optimizers import build_optimizer


class OneWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Parameter(torch.tensor([2.0]))


def stepped(config: OptimizerConfig, gradients: list[float]) -> float:
    module = OneWeight()
    optimizer = build_optimizer(config, module)
    for gradient in gradients:
        optimizer.zero_grad()
        (module.head * gradient).sum().backward()
        optimizer.step()
    return module.head.item()


def test_adam_steps_by_its_bias_corrected_moments():
    gradients, m, v, weight = [3.0, -1.0], 0.0, 0.0, 2.0
    for t, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        weight -= 0.1 * (m / (1 - 0.9**t)) / (sqrt(v / (1 - 0.99**t)) + 1e-5)
    config = OptimizerConfig(type="adam", learning_rate=0.1, beta1=0.9, beta2=0.99, eps=1e-5)
    assert stepped(config, gradients) == pytest.approx(weight, rel=1e-5)


def test_adamw_also_shrinks_the_weight_by_learning_rate_times_decay():
    config = OptimizerConfig(type="adamw", learning_rate=0.1, weight_decay=0.5, eps=1e-8)
    assert stepped(config, [3.0]) == pytest.approx(2.0 * (1 - 0.05) - 0.1, rel=1e-5)


def test_sgd_accumulates_momentum():
    config = OptimizerConfig(type="sgd", learning_rate=0.1, beta1=0.5)
    assert stepped(config, [1.0, 1.0]) == pytest.approx(2.0 - 0.1 * 1.0 - 0.1 * 1.5, rel=1e-6)


def test_muon_orthogonalizes_hidden_matrices_and_leaves_the_rest_to_adam():
    torch.manual_seed(0)
    module = nn.ModuleDict({"trunk": nn.Linear(8, 8), "head": nn.Linear(8, 2)})
    before = {name: value.clone() for name, value in module.named_parameters()}
    optimizer = build_optimizer(OptimizerConfig(type="muon", learning_rate=0.1), module)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    moved = {name: value.detach() - before[name] for name, value in module.named_parameters()}
    spectrum = torch.linalg.svdvals(moved["trunk.weight"])
    assert spectrum.max() / spectrum.min() < 2.0, "Newton-Schulz brings all singular values near each other"
    for name in ("trunk.bias", "head.weight", "head.bias"):
        torch.testing.assert_close(moved[name].abs(), torch.full_like(moved[name], 0.1), rtol=1e-2, atol=1e-3)


def test_a_learning_rate_set_later_is_the_one_used():
    module = OneWeight()
    optimizer = build_optimizer(OptimizerConfig(type="sgd", learning_rate=1.0, beta1=0), module)
    optimizer.set_learning_rate(0.25)
    (module.head * 1.0).sum().backward()
    optimizer.step()
    assert module.head.item() == pytest.approx(1.75)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "muon"])
def test_a_restored_optimizer_goes_on_as_the_saved_one(kind):
    def run(interrupted: bool) -> torch.Tensor:
        torch.manual_seed(1)
        module = nn.Linear(4, 4)
        optimizer = build_optimizer(OptimizerConfig(type=kind), module)
        for step in range(4):
            if interrupted and step == 2:
                state = optimizer.state_dict()
                optimizer = build_optimizer(OptimizerConfig(type=kind), module)
                optimizer.load_state_dict(state)
            optimizer.zero_grad()
            module(torch.ones(2, 4) * (step + 1)).square().mean().backward()
            optimizer.step()
        return module.weight.detach()

    assert torch.equal(run(False), run(True))
