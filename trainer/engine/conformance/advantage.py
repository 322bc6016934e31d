"""What `compute_advantage` owes; it never asks for any one estimator.

Legend: T steps, N slots.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from trainer.engine.conformance.batches import EXPERIENCES, MIDDLE, SLOTS, experience
from trainer.engine.conformance.clause import Contract, Findings
from trainer.engine.conformance.everywhere import keeps, not_finite, not_shaped, repeats, results, runs, trials_on
from trainer.ops.slots import Estimate, Experience
from trainer.pipeline.steps import Function

PARTS = ("advantages", "returns")


def returns_an_estimate(op: Function) -> Findings:
    """It returns an Estimate of two numpy arrays."""
    for name, _, estimate in results(op, EXPERIENCES):
        if not isinstance(estimate, Estimate):
            yield f"it returns {type(estimate).__name__} ({name})"
        for part in PARTS:
            found = getattr(estimate, part)
            if not isinstance(found, np.ndarray):
                yield f"{part} are {type(found).__name__}, not an array of numpy ({name})"


def has_shape(op: Function) -> Findings:
    """Advantages and returns have the shape (T, N) of the rewards."""
    for name, given, estimate in results(op, EXPERIENCES):
        for part in PARTS:
            for found in not_shaped(getattr(estimate, part), given.rewards.shape, part):
                yield f"{found} ({name})"


def is_float32(op: Function) -> Findings:
    """Advantages and returns are float32."""
    for name, _, estimate in results(op, EXPERIENCES):
        for part in PARTS:
            dtype = getattr(estimate, part).dtype
            if dtype != np.float32:
                yield f"{part} are {dtype} ({name})"


def is_finite(op: Function) -> Findings:
    """Advantages and returns are finite."""
    for name, _, estimate in results(op, EXPERIENCES):
        for part in PARTS:
            for found in not_finite(getattr(estimate, part), part):
                yield f"{found} ({name})"


def tells_slots_apart(op: Function) -> Findings:
    """What one slot earns changes nothing in the others."""
    before = op(experience(ends=MIDDLE))
    for slot in range(SLOTS):
        here = np.zeros_like(experience().ends)
        here[:, slot] = True
        after = op(_raised(experience(ends=MIDDLE), here))
        yield from _moved(before, after, ~here, f"what slot {slot} earns")


def ends_with_the_episode(op: Function) -> Findings:
    """What happens after the end of an episode changes nothing before it."""
    for terminated in (True, False):
        for step, slot in MIDDLE:
            later = np.zeros_like(experience().ends)
            later[step + 1 :, slot] = True
            before, after = (experience(ends=MIDDLE, terminated=terminated) for _ in range(2))
            earlier = ~later
            why = f"what slot {slot} earns after its episode ended at step {step}"
            yield from _moved(op(before), op(_raised(after, later)), earlier, why)


def _raised(given: Experience, where: np.ndarray) -> Experience:
    rewards, values, next_values = (
        np.where(where, array + np.float32(10), array) for array in (given.rewards, given.values, given.next_values)
    )
    return replace(given, rewards=rewards, values=values, next_values=next_values)


def _moved(before: Estimate, after: Estimate, where: np.ndarray, why: str) -> Findings:
    for part in PARTS:
        one, other = getattr(before, part), getattr(after, part)
        if not one.shape == other.shape == where.shape:
            continue  # the clause on shapes says so
        places = np.argwhere(where & ~np.isclose(one, other, rtol=1e-4, atol=1e-4))
        if len(places):
            step, slot = places[0]
            yield f"{why} moves {part} of slot {slot} at step {step} from {one[step, slot]:g} to {other[step, slot]:g}"


CONTRACT = Contract(
    premises=(partial(runs, trials=trials_on(EXPERIENCES)), returns_an_estimate),
    clauses=(
        partial(repeats, trials=trials_on(EXPERIENCES)),
        partial(keeps, batches=EXPERIENCES),
        has_shape,
        is_float32,
        is_finite,
        tells_slots_apart,
        ends_with_the_episode,
    ),
)
