"""What the op in each slot is given, and what it owes; records only, importable without torch.

Legend: T steps, N slots (agents over all environments), B agent-steps of a minibatch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Experience:
    """For `compute_advantage`: what a rollout earned, each array (T, N).

    `next_values` is V of each step's successor state: 0 where the episode terminated, the value of its final
    observation where it was truncated. `ends` marks both. `log_probs` are those of the policy that acted,
    `target_log_probs` those of the policy that learns; in PPO's first epoch they are the same.
    """

    rewards: "Floats"
    values: "Floats"
    next_values: "Floats"
    ends: "Flags"
    log_probs: "Floats"
    target_log_probs: "Floats"
    gamma: float
    gae_lambda: float


@dataclass(frozen=True)
class Estimate:
    """From `compute_advantage`: advantages, and the returns that values are fitted to, both float32 (T, N)."""

    advantages: "Floats"
    returns: "Floats"


@dataclass(frozen=True)
class Sample:
    """For `compute_loss`: a minibatch as the policy sees it now and saw it when it acted, each tensor (B,).

    Gradients flow through `log_probs`, `values` and `entropy`, and through nothing else.
    """

    log_probs: "Tensor"
    old_log_probs: "Tensor"
    advantages: "Tensor"
    values: "Tensor"
    old_values: "Tensor"
    returns: "Tensor"
    entropy: "Tensor"
    clip_coef: float
    value_clip_coef: float | None
    value_coef: float
    entropy_coef: float


@dataclass(frozen=True)
class Matrix:
    """Where a weight matrix between hidden layers stands in the flat parameters."""

    start: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Gradients:
    """For `clip_gradients`: all gradients as one vector (P,), changed in place, and the norm they may have."""

    gradients: "Tensor"
    max_norm: float


@dataclass(frozen=True)
class OptimizerStep:
    """For `adam_step`: all parameters (P,) as one vector, changed in place, and their gradients (P,), which stay.

    `state` is the op's memory between steps, tensors by name: empty at first, saved in checkpoints. `hidden` are the
    matrices between hidden layers, which some optimizers step unlike the rest.
    """

    parameters: "Tensor"
    gradients: "Tensor"
    learning_rate: float
    hidden: "Sequence[Matrix]"
    state: "dict[str, Tensor]"


@dataclass(frozen=True)
class Loss:
    """From `compute_loss`: the scalar to minimize, and detached scalars to look at."""

    total: "Tensor"
    policy: "Tensor"
    value: "Tensor"
    entropy: "Tensor"
    approx_kl: "Tensor"
    clipfrac: "Tensor"
