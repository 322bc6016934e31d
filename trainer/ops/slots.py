"""What the op in each slot is given, and what it owes; records only, importable without torch.

Legend: T steps, N slots (agents over all environments), B agent-steps of a minibatch, P parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

Task = Mapping[str, Any]
"""Values by their path in the environment's config (`{"arena.num_mines": 4}`); empty: the config as it is."""


@dataclass(frozen=True)
class TaskEnd:
    """An episode that ended: the task it was played with, its return (mean over agents) and its length in steps."""

    task: Task
    reward: float
    length: int


@dataclass(frozen=True)
class Lesson:
    """For `curriculum`: what is known before a rollout begins.

    `ended` are the episodes that ended since the last call, oldest first; `progress` in [0, 1) is the part of all
    updates that is done. `state` is the op's memory between calls, arrays by name: empty at first, saved in
    checkpoints. All chance must come from `generator`.
    """

    num_envs: int
    ended: Sequence[TaskEnd]
    progress: float
    state: "dict[str, NDArray[np.float64]]"
    generator: "np.random.Generator"


@dataclass(frozen=True)
class Earned:
    """For `compute_reward`: what N slots saw, did and were paid in T steps; `ends` where an episode ended.

    `rewards` and `ends` are arrays (T, N); `observations` (T, N, *) and `actions` (T, N) or (T, N, d) are tensors on
    the policy's device.
    """

    rewards: "Floats"
    ends: "Flags"
    observations: "Tensor"
    actions: "Tensor"


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

    `state` is the op's memory between steps, tensors by name: empty at first, saved in checkpoints. One without
    dimensions is a count and stays on the host, where reading it waits for nothing. `hidden` are the matrices between
    hidden layers, which some optimizers step unlike the rest.
    """

    parameters: "Tensor"
    gradients: "Tensor"
    learning_rate: float
    hidden: "Sequence[Matrix]"
    state: "dict[str, Tensor]"


@dataclass(frozen=True)
class Descent:
    """For `optimizer`, the whole of it: the gradients of a minibatch (P,), and all that a step along them needs.

    `norm` is that of the gradients before they are clipped; none until then.
    """

    parameters: "Tensor"
    gradients: "Tensor"
    max_norm: float
    learning_rate: float
    hidden: "Sequence[Matrix]"
    state: "dict[str, Tensor]"
    norm: "Tensor | None" = None

    def to_clip(self) -> Gradients:
        """What `clip_gradients` is given."""
        return Gradients(self.gradients, self.max_norm)

    def clipped(self, norm: "Tensor") -> "Descent":
        """What is known when `clip_gradients` is done."""
        return replace(self, norm=norm)

    def to_step(self) -> OptimizerStep:
        """What `adam_step` is given."""
        return OptimizerStep(self.parameters, self.gradients, self.learning_rate, self.hidden, self.state)

    def stepped(self, _: None) -> "Tensor | None":
        """What the optimizer owes when `adam_step` is done: the norm of the gradients before."""
        return self.norm


@dataclass(frozen=True)
class Loss:
    """From `compute_loss`: the scalar to minimize, and detached scalars to look at."""

    total: "Tensor"
    policy: "Tensor"
    value: "Tensor"
    entropy: "Tensor"
    approx_kl: "Tensor"
    clipfrac: "Tensor"
