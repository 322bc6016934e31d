"""PPO's clipped surrogate loss; never touches a network or an optimizer.

Schulman et al. 2017, "Proximal policy optimization algorithms", arXiv:1707.06347, equations 7 and 9.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.contract import PPOConfig


@dataclass(frozen=True)
class Loss:
    """The scalar to minimize, and detached scalars to look at."""

    total: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor
    approx_kl: Tensor
    clipfrac: Tensor


def ppo_clip(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    entropy: Tensor,
    *,
    clip_coef: float,
    config: PPOConfig,
) -> Loss:
    """The loss of one minibatch; every argument has shape (B,).

    `L = -E[min(r A, clip(r, 1 - c, 1 + c) A)] + value_coef * L_V - entropy_coef * E[H]` with the ratio
    `r = exp(log_probs - old_log_probs)`. `approx_kl` is `E[(r - 1) - log r]` (Schulman 2020, "Approximating KL
    divergence"), never negative.
    """
    log_ratio = log_probs - old_log_probs
    ratio = log_ratio.exp()
    surrogate = torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)
    policy = -surrogate.mean()
    value = value_loss(values, old_values, returns, config.value_clip_coef)
    mean_entropy = entropy.mean()
    total = policy + config.value_coef * value - config.entropy_coef * mean_entropy
    with torch.no_grad():
        approx_kl = (ratio - 1 - log_ratio).mean()
        clipfrac = ((ratio - 1).abs() > clip_coef).float().mean()
    return Loss(total, policy.detach(), value.detach(), mean_entropy.detach(), approx_kl, clipfrac)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """Mean squared error, halved; with `clip` the worse of the error and that of the value kept near its old one."""
    squared = (values - returns).square()
    if clip is not None:
        kept_near = old_values + (values - old_values).clamp(-clip, clip)
        squared = torch.max(squared, (kept_near - returns).square())
    return 0.5 * squared.mean()


def normalize(advantages: Tensor) -> Tensor:
    """Advantages (B,) with mean 0 and standard deviation 1; a single one, or equal ones, become 0."""
    centred = advantages - advantages.mean()
    return centred / (centred.square().mean().sqrt() + 1e-8)
