"""The small fixed batches that ops are tried on, made anew at each call; they never touch a global generator.

Legend: T steps, N slots, B agent-steps of a minibatch, P parameters.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from trainer.engine.conformance.everywhere import Batches
from trainer.envs.interface import (
    ActionSpace,
    BoxActions,
    DiscreteActions,
    ObservationSpace,
    Spaces,
    TokenObservations,
    VectorObservations,
)
from trainer.ops.slots import Descent, Earned, Experience, Gradients, Matrix, OptimizerStep, Sample

STEPS, SLOTS = 6, 3
HIDDEN = (Matrix(0, 4, 3), Matrix(12, 2, 4))
PARAMETERS = 25
MAX_NORM = 1.0

WORLDS: Mapping[str, Spaces] = {
    "choices": Spaces(VectorObservations((4,)), DiscreteActions(3), num_agents=1),
    "boxes": Spaces(VectorObservations((4,)), BoxActions(np.full(2, -1, np.float32), np.ones(2, np.float32)), 1),
}
"""What a small agent sees and does, by the kind of its actions."""


def experience(
    steps: int = STEPS,
    slots: int = SLOTS,
    ends: Sequence[tuple[int, int]] = (),
    terminated: bool = True,
    on_policy: bool = True,
) -> Experience:
    """A rollout (T, N) whose episodes end at `ends` (step, slot), all terminated or all truncated."""
    rng = np.random.default_rng(0)
    rewards, values, final = (rng.normal(size=(steps, slots)).astype(np.float32) for _ in range(3))
    log_probs, other = (rng.normal(-1, 0.3, size=(steps, slots)).astype(np.float32) for _ in range(2))
    ended = np.zeros((steps, slots), np.bool_)
    for end in ends:
        ended[end] = True
    following = np.concatenate([values[1:], final[-1:]])
    return Experience(
        rewards=rewards,
        values=values,
        next_values=np.where(ended, np.zeros_like(final) if terminated else final, following),
        ends=ended,
        log_probs=log_probs,
        target_log_probs=log_probs.copy() if on_policy else other,
        gamma=0.9,
        gae_lambda=0.8,
    )


MIDDLE, LAST = ((2, 0), (3, 1)), ((STEPS - 1, 0), (STEPS - 1, 2))
EXPERIENCES: Batches = {
    "no episode ends": experience,
    "episodes terminate in the middle": partial(experience, ends=MIDDLE),
    "episodes are truncated in the middle": partial(experience, ends=MIDDLE, terminated=False),
    "episodes terminate at the last step": partial(experience, ends=LAST),
    "episodes are truncated at the last step": partial(experience, ends=LAST, terminated=False),
    "one step, T = 1": partial(experience, steps=1),
    "one slot, N = 1": partial(experience, slots=1, ends=((2, 0),)),
    "a policy that has moved on": partial(experience, on_policy=False),
}


def sample(size: int = 8, drift: float = 0.05, **changes: Any) -> Sample:
    """A minibatch of a policy whose log-probabilities moved by about `drift`; advantages have mean 0 if B > 1."""
    generator = Generator().manual_seed(0)
    old_log_probs, old_values, returns, advantages, moved, entropy = torch.randn(6, size, generator=generator)
    fields: dict[str, Any] = {
        "log_probs": (old_log_probs - 1 + drift * moved).requires_grad_(),
        "old_log_probs": old_log_probs - 1,
        "advantages": advantages - advantages.mean() if size > 1 else advantages.clone(),
        "values": (old_values + moved).requires_grad_(),
        "old_values": old_values.clone(),
        "returns": returns.clone(),
        "entropy": entropy.abs().requires_grad_(),
        "clip_coef": 0.2,
        "value_clip_coef": None,
        "value_coef": 0.5,
        "entropy_coef": 0.01,
    }
    return Sample(**(fields | changes))


SAMPLES: Batches = {
    "a minibatch": sample,
    "one agent-step, B = 1": partial(sample, size=1),
    "values that are clipped": partial(sample, value_clip_coef=0.2),
    "a policy that has moved far": partial(sample, drift=1.0),
    "advantages that are all 0": lambda: sample(advantages=torch.zeros(8)),
}


def vector(seed: int = 0, norm: float = 5.0) -> Tensor:
    """Parameters or gradients (P,) of this norm."""
    drawn = torch.randn(PARAMETERS, generator=Generator().manual_seed(seed))
    return drawn * (norm / drawn.norm())


GRADIENTS: Batches = {
    "gradients longer than max_norm": lambda: Gradients(vector(), MAX_NORM),
    "gradients shorter than max_norm": lambda: Gradients(vector(norm=0.5), MAX_NORM),
    "gradients that are all 0": lambda: Gradients(vector(norm=0.0), MAX_NORM),
}


def optimizer_step(
    parameters: Tensor, gradients: Tensor, learning_rate: float, state: dict[str, Tensor]
) -> OptimizerStep:
    """A record for `adam_step`; two of the parameters' parts are matrices between hidden layers."""
    return OptimizerStep(parameters, gradients, learning_rate, list(HIDDEN), state)


def descent(parameters: Tensor, gradients: Tensor, learning_rate: float, state: dict[str, Tensor]) -> Descent:
    """A record for `optimizer`, like that for `adam_step`."""
    return Descent(parameters, gradients, MAX_NORM, learning_rate, list(HIDDEN), state)


def observed(space: ObservationSpace, *shape: int, seed: int = 0) -> Tensor:
    """Observations (*shape, *) of this space."""
    rng = np.random.default_rng(seed)
    if isinstance(space, TokenObservations):
        return torch.from_numpy(_tokens(space, shape, rng))
    return torch.from_numpy(rng.normal(size=(*shape, *space.shape)).astype(np.float32))


def acted(space: ActionSpace, *shape: int) -> Tensor:
    """Actions (*shape) or (*shape, d) of this space."""
    rng = np.random.default_rng(1)
    if isinstance(space, DiscreteActions):
        return torch.from_numpy(rng.integers(space.n, size=shape).astype(space.dtype))
    return torch.from_numpy(rng.normal(size=(*shape, *space.shape)).astype(np.float32))


def earned(spaces: Spaces, steps: int = STEPS) -> Earned:
    """What was earned in `steps` steps; an episode ends in the middle."""
    played = experience(steps, ends=((steps // 2, 0),))
    seen, done = observed(spaces.observation, steps, SLOTS), acted(spaces.action, steps, SLOTS)
    return Earned(played.rewards, played.ends, seen, done)


def _tokens(space: TokenObservations, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """One token of each feature at the centre, then padding: few, but all valid."""
    tokens = np.full((*shape, *space.shape), space.padding, np.uint8)
    for place, feature in enumerate(space.features[: space.num_tokens]):
        tokens[..., place, 0], tokens[..., place, 1] = space.centre, feature.id
        tokens[..., place, 2] = rng.integers(len(feature.categories) or 256, size=shape)
    return tokens
