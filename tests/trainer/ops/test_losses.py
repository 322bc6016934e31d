"""Loss ops against values worked out by hand."""

from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.ops.a2c import A2c
from trainer.ops.op import LossOp
from trainer.ops.ppo_clip import PpoClip
from trainer.ops.ppo_kl import PpoKl
from trainer.ops.slots import Sample

ALL = [PpoClip(), PpoKl(), A2c()]


def sample(ratios: list[float], advantages: list[float], **changes) -> Sample:
    size = len(ratios)
    fields = {
        "log_probs": torch.tensor([log(ratio) for ratio in ratios], requires_grad=True),
        "old_log_probs": torch.zeros(size),
        "advantages": torch.tensor(advantages),
        "values": torch.zeros(size, requires_grad=True),
        "old_values": torch.zeros(size),
        "returns": torch.zeros(size),
        "entropy": torch.full((size,), 0.7),
        "clip_coef": 0.2,
        "value_clip_coef": None,
        "value_coef": 0.0,
        "entropy_coef": 0.0,
    }
    return Sample(**(fields | changes))


@pytest.mark.parametrize(
    ("ratio", "advantage", "surrogate", "moves"),
    [
        (1.0, 2.0, 2.0, True),
        (1.1, 2.0, 2.2, True),
        (1.5, 2.0, 2.4, False),  # clipped from above
        (0.5, 2.0, 1.0, True),  # less likely and good: pulled back
        (0.5, -2.0, -1.6, False),  # clipped from below
        (1.5, -2.0, -3.0, True),  # more likely and bad: pushed down
    ],
)
def test_ppo_clips_the_ratio_only_where_that_makes_the_objective_worse(ratio, advantage, surrogate, moves):
    given_one = sample([ratio], [advantage])
    loss = PpoClip()(given_one)
    assert loss.total.item() == pytest.approx(-surrogate, rel=1e-5)
    loss.total.backward()
    assert given_one.log_probs.grad is not None
    assert bool(given_one.log_probs.grad.abs() > 0) is moves


def test_the_kl_penalty_is_added_to_the_unclipped_surrogate():
    loss = PpoKl(beta=3.0)(sample([1.5, 0.8], [2.0, -1.0]))
    surrogate = (1.5 * 2.0 - 0.8 * 1.0) / 2
    kl = ((0.5 - log(1.5)) + (-0.2 - log(0.8))) / 2
    assert loss.total.item() == pytest.approx(-surrogate + 3 * kl, rel=1e-5)
    assert loss.policy.item() == pytest.approx(-surrogate, rel=1e-5)


def test_without_a_price_or_ratio_the_kl_loss_is_the_clipped_one():
    assert PpoKl(beta=0)(sample([1.0], [2.0])).total.item() == PpoClip()(sample([1.0], [2.0])).total.item()


def test_a2c_is_the_mean_of_log_probability_times_advantage():
    loss = A2c()(sample([0.5, 0.25], [2.0, -1.0]))
    assert loss.total.item() == pytest.approx(-(2 * log(0.5) - log(0.25)) / 2, rel=1e-5)


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
def test_every_loss_weighs_values_and_entropy_alike_and_measures_alike(op: LossOp):
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    plain, weighed = sample([1.5, exp(0.1)], [1.0, 3.0]), sample(
        [1.5, exp(0.1)], [1.0, 3.0], values=values, value_coef=0.25, entropy_coef=0.1
    )  # fmt: skip
    base, loss = op(plain), op(weighed)
    assert loss.value.item() == pytest.approx(0.5 * (1 + 4) / 2)
    assert loss.entropy.item() == pytest.approx(0.7)
    assert loss.total.item() == pytest.approx(base.total.item() + 0.25 * 1.25 - 0.1 * 0.7, rel=1e-5)
    assert loss.approx_kl.item() == pytest.approx(((0.5 - log(1.5)) + (exp(0.1) - 1 - 0.1)) / 2, rel=1e-4)
    assert loss.clipfrac.item() == 0.5


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
def test_gradients_reach_log_probabilities_and_values_only(op: LossOp):
    given_one = sample([1.0, 1.0], [1.0, -2.0], returns=torch.ones(2), value_coef=0.5)
    loss = op(given_one)
    loss.total.backward()
    assert given_one.log_probs.grad is not None
    assert given_one.values.grad is not None
    assert not any(
        part.requires_grad for part in (loss.policy, loss.value, loss.entropy, loss.approx_kl, loss.clipfrac)
    )


def test_value_clipping_takes_the_worse_of_both_errors():
    changes = {"values": torch.tensor([2.0, 0.0]), "returns": torch.tensor([2.0, 1.0])}
    # first: kept near its old value the error is (0.5 - 2)^2, worse than 0; second: unmoved, (0 - 1)^2 either way
    clipped = PpoClip()(sample([1.0, 1.0], [0.0, 0.0], value_clip_coef=0.5, **changes))
    assert clipped.value.item() == pytest.approx(0.5 * (2.25 + 1) / 2)
    assert PpoClip()(sample([1.0, 1.0], [0.0, 0.0], **changes)).value.item() == pytest.approx(0.5 * (0 + 1) / 2)


def by_autograd(op: LossOp, given_one: Sample) -> torch.Tensor:
    """The total as the papers write it: every gradient is autograd's."""
    ratio = (given_one.log_probs - given_one.old_log_probs).exp()
    gain, clip = ratio * given_one.advantages, given_one.value_clip_coef
    bounded = ratio.clamp(1 - given_one.clip_coef, 1 + given_one.clip_coef) * given_one.advantages
    policy = {
        "ppo_clip": lambda: -gain.minimum(bounded),
        "ppo_kl": lambda: -gain + op.beta * (ratio - 1 - ratio.log()),
        "a2c": lambda: -given_one.log_probs * given_one.advantages,
    }[op.name]().mean()
    squared = (given_one.values - given_one.returns).square()
    if clip is not None:
        near = given_one.old_values + (given_one.values - given_one.old_values).clamp(-clip, clip)
        squared = squared.maximum((near - given_one.returns).square())
    value = 0.5 * squared.mean()
    return policy + given_one.value_coef * value - given_one.entropy_coef * given_one.entropy.mean()


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
@given(size=st.integers(1, 300), seed=st.integers(0, 2**31), clip=st.sampled_from([None, 0.2]))
@settings(max_examples=25, deadline=None)
def test_the_closed_form_of_every_gradient_is_what_autograd_finds(op: LossOp, size: int, seed: int, clip: float | None):
    generator = torch.Generator().manual_seed(seed)
    names = ("log_probs", "values", "entropy", "old_log_probs", "old_values", "returns", "advantages")
    drawn = {name: torch.randn(size, generator=generator) for name in names}
    drawn["old_log_probs"] = drawn["log_probs"] + 0.3 * drawn["old_log_probs"]
    learned = [drawn[name].requires_grad_() for name in names[:3]]
    drawn["old_log_probs"] = drawn["old_log_probs"].detach()
    coefficients = {"clip_coef": 0.2, "value_clip_coef": clip, "value_coef": 0.7, "entropy_coef": 0.01}
    given_one = Sample(**drawn, **coefficients)
    ours, theirs = op(given_one).total, by_autograd(op, given_one)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for one, other in zip(torch.autograd.grad(ours, learned), torch.autograd.grad(theirs, learned), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("op", ALL, ids=lambda op: op.name)
def test_a_number_that_is_not_finite_is_not_hidden_from_the_gradient(op: LossOp):
    given_one = sample([1.0, 1.0], [1.0, float("nan")])
    op(given_one).total.backward()
    assert given_one.log_probs.grad is not None and given_one.log_probs.grad.isnan().any()
