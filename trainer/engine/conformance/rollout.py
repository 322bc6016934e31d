"""What `rollout` owes, on CartPole with the declared policy; it never asks how actions are explored.

Legend: T steps, N slots.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.engine.conformance.cartpole import SLOTS, STEPS, collection, envs_of, rolled
from trainer.engine.conformance.chance import drawn_by
from trainer.engine.conformance.clause import Clause, Contract, Findings
from trainer.engine.conformance.compare import as_array, difference
from trainer.engine.conformance.everywhere import not_finite, not_shaped, repeats, runs
from trainer.engine.rollout import Collection, Rollout
from trainer.pipeline.steps import Function

FEATURES, CHOICES = 4, 2
LENGTHS = {"some steps": STEPS, "one step": 1}
TENSORS = ("observations", "actions", "log_probs", "starts", "state")
ARRAYS = {"rewards": np.float32, "values": np.float32, "next_values": np.float32, "ends": np.bool_}


def returns_a_rollout(op: Function) -> Findings:
    """It returns a Rollout of tensors for the policy and arrays of numpy for the ops."""
    rollout = rolled(op)
    if not isinstance(rollout, Rollout):
        yield f"it returns {type(rollout).__name__}"
    for kind, names in {Tensor: TENSORS, np.ndarray: tuple(ARRAYS)}.items():
        for name in names:
            found = getattr(rollout, name)
            if not isinstance(found, kind):
                yield f"{name} is {type(found).__name__}, not {kind.__name__}"


def has_shapes(op: Function) -> Findings:
    """Every field has its shape, with T the steps that were asked for."""
    for name, steps in LENGTHS.items():
        rollout = rolled(op, steps)
        wide = {"observations": (steps, SLOTS, FEATURES), "state": (0, SLOTS, rollout.state.shape[-1])}
        for field in (*TENSORS, *ARRAYS):
            for found in not_shaped(getattr(rollout, field), wide.get(field, (steps, SLOTS)), field):
                yield f"{found} ({name})"


def has_types(op: Function) -> Findings:
    """Numbers are float32, starts and ends are bool, actions are what the action space takes."""
    rollout = rolled(op)
    kinds: Mapping[str, Any] = {"observations": np.float32, "log_probs": np.float32, "starts": np.bool_} | ARRAYS
    for name, dtype in kinds.items():
        found = as_array(getattr(rollout, name)).dtype
        if found != dtype:
            yield f"{name} is {found}, not {np.dtype(dtype)}"
    if as_array(rollout.actions).dtype.kind not in "iu":
        yield f"actions are {rollout.actions.dtype}, not integers"


def is_finite(op: Function) -> Findings:
    """Every number is finite."""
    rollout = rolled(op)
    for name in (*TENSORS, *ARRAYS):
        yield from not_finite(getattr(rollout, name), name)


def acts_within_the_space(op: Function) -> Findings:
    """Actions are those of the action space."""
    actions = rolled(op).actions
    if actions.min() < 0 or actions.max() >= CHOICES:
        yield f"they reach from {actions.min()} to {actions.max()}, choices from 0 to {CHOICES - 1}"


def makes_exactly_its_steps(op: Function) -> Findings:
    """Every environment makes exactly the steps that were asked for."""
    for name, steps in LENGTHS.items():
        with collection(steps) as given:
            op(given)
            found = envs_of(given).steps
        if found != steps:
            yield f"they make {found} ({name})"


def starts_after_ends(op: Function) -> Findings:
    """An episode starts with the first step and after each end, nowhere else."""
    rollout = rolled(op)
    ends = np.concatenate([np.ones((1, SLOTS), np.bool_), rollout.ends[:-1]])
    wrong = np.argwhere(as_array(rollout.starts) != ends)
    if len(wrong):
        step, slot = wrong[0]
        yield f"starts[{step}, {slot}] is {bool(rollout.starts[step, slot])}"


def tells_of_every_end(op: Function) -> Findings:
    """It tells of every episode that ended."""
    rollout = rolled(op)
    told, ended = len(rollout.ended), int(rollout.ends.sum())
    if told != ended:
        yield f"ended has {told} episodes, ends marks {ended}"


def goes_on(op: Function) -> Findings:
    """A second rollout goes on where the first ended."""
    with collection() as given:
        first = op(given)
        now = envs_of(given).observations.copy()
        second = op(given)
    if difference(second.observations[0], now):
        yield "its first observations are not those at which the environments stood"
    if difference(second.starts[0], first.ends[-1]):
        yield f"it starts with {second.starts[0].tolist()}, the first ended with {first.ends[-1].tolist()}"


def chains_values(op: Function) -> Findings:
    """Where an episode goes on, a step's next value is the value of the step after it."""
    rollout = rolled(op)
    wrong = np.argwhere(~rollout.ends[:-1] & ~np.isclose(rollout.next_values[:-1], rollout.values[1:], atol=1e-5))
    if len(wrong):
        step, slot = wrong[0]
        yield f"next_values[{step}, {slot}] is {rollout.next_values[step, slot]:g}, then comes " + (
            f"{rollout.values[step + 1, slot]:g}"
        )


def values_what_it_saw(op: Function) -> Findings:
    """Values are those of the policy for the observations that are recorded."""
    with collection() as given:
        rollout = op(given)
        with torch.no_grad():
            judged = given.policy(rollout.observations, rollout.state, rollout.starts).values
    apart = np.abs(as_array(judged) - rollout.values).max()
    if apart > 1e-4:
        yield f"they differ by up to {apart:g}"


def carries_no_gradient(op: Function) -> Findings:
    """No tensor carries a gradient."""
    rollout = rolled(op)
    for name in TENSORS:
        if getattr(rollout, name).requires_grad:
            yield f"{name} requires a gradient: put torch.no_grad() around it"


def leaves_the_policy(op: Function) -> Findings:
    """The policy stays as it was."""
    with collection() as given, collection() as untouched:
        op(given)
        before, after = (_weights(each) for each in (untouched, given))
    found = difference(before, after, "weights")
    if found:
        yield found


def draws_from_its_generator(op: Function) -> Findings:
    """All its chance comes from the collector's generator and the environments' seeds."""
    with collection() as given:
        yield from drawn_by(lambda: op(given))


def _weights(given: Collection) -> dict[str, Tensor]:
    policy = given.policy
    return dict(policy.state_dict()) if isinstance(policy, torch.nn.Module) else {}


_TRIALS: Mapping[str, Callable[[Function], Any]] = {
    name: partial(rolled, steps=steps) for name, steps in LENGTHS.items()
}
_OWN: tuple[Clause, ...] = (
    leaves_the_policy,
    has_shapes,
    has_types,
    is_finite,
    acts_within_the_space,
    makes_exactly_its_steps,
    starts_after_ends,
    tells_of_every_end,
    goes_on,
    chains_values,
    values_what_it_saw,
    carries_no_gradient,
    draws_from_its_generator,
)

CONTRACT = Contract((partial(runs, trials=_TRIALS), returns_a_rollout), (partial(repeats, trials=_TRIALS), *_OWN))
