"""What `compute_reward` owes; it never asks what a step should be worth.

Legend: T steps, N slots.
"""

from collections.abc import Mapping
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from trainer.engine.conformance.batches import earned
from trainer.engine.conformance.clause import Contract, Findings
from trainer.engine.conformance.everywhere import (
    Batches,
    keeps,
    not_finite,
    not_shaped,
    repeats,
    results,
    runs,
    trials_on,
)
from trainer.envs.interface import Spaces
from trainer.pipeline.steps import Function


def returns_numbers(op: Function, batches: Batches) -> Findings:
    """It returns an array of floats or integers, or one real number; never a bool or a tensor."""
    for name, _, rewards in results(op, batches):
        if isinstance(rewards, np.ndarray) and rewards.dtype.kind not in "fiu":
            yield f"it returns an array of {rewards.dtype} ({name})"
        elif not isinstance(rewards, np.ndarray) and (not isinstance(rewards, Real) or isinstance(rewards, bool)):
            yield f"it returns {_named(rewards)} ({name})"


def has_shape(op: Function, batches: Batches) -> Findings:
    """Rewards have the shape (T, N) of those of the environment, or are one number."""
    for name, given, rewards in results(op, batches):
        for found in not_shaped(np.asarray(rewards), given.rewards.shape, "the array of rewards"):
            if np.ndim(rewards):
                yield f"{found} ({name})"


def is_finite(op: Function, batches: Batches) -> Findings:
    """Rewards are finite in float32."""
    for name, _, rewards in results(op, batches):
        with np.errstate(over="ignore"):
            for found in not_finite(np.asarray(rewards).astype(np.float32), "rewards"):
                yield f"{found} ({name})"


def contract(worlds: Mapping[str, Spaces]) -> Contract:
    """The contract for agents that see and do this."""
    batches = {
        f"{name}, T = {steps}": partial(earned, spaces, steps) for name, spaces in worlds.items() for steps in (6, 1)
    }
    trials = trials_on(batches)
    return Contract(
        premises=(partial(runs, trials=trials), partial(returns_numbers, batches=batches)),
        clauses=tuple(
            [partial(repeats, trials=trials)]
            + [partial(clause, batches=batches) for clause in (keeps, has_shape, is_finite)]
        ),
    )


def _named(rewards: Any) -> str:
    grad = " that requires a gradient" if getattr(rewards, "requires_grad", False) else ""
    return f"{type(rewards).__name__}{grad}"
