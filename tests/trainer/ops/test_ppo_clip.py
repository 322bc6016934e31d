"""The clipped loss against values worked out by hand."""

from math import exp, log

import pytest
import torch

from trainer.contract import PPOConfig
from trainer.ops.ppo_clip import Loss, normalize, ppo_clip, value_loss


def loss_of(ratio: float, advantage: float, config: PPOConfig | None = None) -> tuple[Loss, torch.Tensor]:
    log_probs = torch.tensor([log(ratio)], requires_grad=True)
    zero = torch.zeros(1)
    loss = ppo_clip(
        log_probs=log_probs,
        old_log_probs=zero,
        advantages=torch.tensor([advantage]),
        values=zero,
        old_values=zero,
        returns=zero,
        entropy=torch.tensor([0.7]),
        clip_coef=0.2,
        config=config or PPOConfig(value_coef=0, entropy_coef=0),
    )
    return loss, log_probs


@pytest.mark.parametrize(
    ("ratio", "advantage", "surrogate", "moves"),
    [
        (1.0, 2.0, 2.0, True),
        (1.1, 2.0, 2.2, True),
        (1.5, 2.0, 2.4, False),  # clipped from above
        (0.5, 2.0, 1.0, True),  # worse than before and good: pulled back
        (0.5, -2.0, -1.6, False),  # clipped from below
        (1.5, -2.0, -3.0, True),  # more likely and bad: pushed down
    ],
)
def test_the_ratio_is_clipped_only_where_that_makes_the_objective_worse(ratio, advantage, surrogate, moves):
    loss, log_probs = loss_of(ratio, advantage)
    assert loss.total.item() == pytest.approx(-surrogate, rel=1e-5)
    loss.total.backward()
    assert log_probs.grad is not None
    assert bool(log_probs.grad.abs() > 0) is moves


def test_the_parts_are_weighed_and_added():
    config = PPOConfig(value_coef=0.25, entropy_coef=0.1)
    zero = torch.zeros(2)
    loss = ppo_clip(
        zero, zero, torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]), zero, zero, torch.tensor([0.5, 1.5]),
        clip_coef=0.2, config=config,
    )  # fmt: skip
    assert loss.policy.item() == pytest.approx(-2.0)
    assert loss.value.item() == pytest.approx(0.5 * (1 + 4) / 2)
    assert loss.entropy.item() == pytest.approx(1.0)
    assert loss.total.item() == pytest.approx(-2.0 + 0.25 * 1.25 - 0.1 * 1.0)


def test_approximate_kl_and_clip_fraction_have_their_closed_form():
    loss, _ = loss_of(1.5, 1.0)
    assert loss.approx_kl.item() == pytest.approx(1.5 - 1 - log(1.5), rel=1e-5)
    assert loss.clipfrac.item() == 1.0
    assert loss_of(exp(0.1), 1.0)[0].clipfrac.item() == 0.0


def test_value_clipping_takes_the_worse_of_both_errors():
    values, old, returns = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.0]), torch.tensor([2.0, 1.0])
    # first: kept near its old value the error is (0.5 - 2)^2, worse than 0; second: unmoved, (0 - 1)^2 either way
    assert value_loss(values, old, returns, clip=0.5).item() == pytest.approx(0.5 * (2.25 + 1) / 2)
    assert value_loss(values, old, returns, clip=None).item() == pytest.approx(0.5 * (0 + 1) / 2)


def test_normalized_advantages_have_mean_0_and_deviation_1():
    normal = normalize(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert normal.mean().item() == pytest.approx(0, abs=1e-6)
    assert normal.square().mean().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("equal", [[4.0], [4.0, 4.0, 4.0]])
def test_advantages_without_spread_become_0_and_not_nan(equal):
    assert normalize(torch.tensor(equal)).tolist() == [0.0] * len(equal)
