"""What `clip_gradients` owes; it never asks for any one way to clip, nor that anything is clipped."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from trainer.engine.conformance.batches import GRADIENTS
from trainer.engine.conformance.clause import Contract, Findings
from trainer.engine.conformance.everywhere import not_finite, not_scalar, repeats, results, runs
from trainer.ops.slots import Gradients
from trainer.pipeline.steps import Function


def returns_a_number(op: Function) -> Findings:
    """It returns one number as a tensor."""
    for name, _, norm in results(op, GRADIENTS):
        for found in not_scalar(norm, "the result"):
            yield f"{found} ({name})"


def returns_the_norm_before(op: Function) -> Findings:
    """It returns the norm that the gradients had before."""
    for name, before, _, norm in _clipped(op):
        if not torch.isclose(norm.float(), before.norm(), rtol=1e-4, atol=1e-6):
            yield f"it returns {norm.item():g}, the norm was {before.norm().item():g} ({name})"


def is_finite(op: Function) -> Findings:
    """Gradients are finite afterwards."""
    for name, _, after, _ in _clipped(op):
        for found in not_finite(after, "the gradients"):
            yield f"{found} ({name})"


def makes_nothing_longer(op: Function) -> Findings:
    """Gradients are never longer afterwards."""
    for name, before, after, _ in _clipped(op):
        if after.norm() > before.norm() * (1 + 1e-5):
            yield f"their norm grows from {before.norm().item():g} to {after.norm().item():g} ({name})"


def leaves_short_gradients(op: Function) -> Findings:
    """Gradients shorter than max_norm stay as they are."""
    for name, before, after, _ in _clipped(op):
        # Lost numbers are for the clause that asks for finite ones.
        if before.norm() < 1 and after.isfinite().all() and not torch.allclose(before, after, rtol=1e-5, atol=1e-7):
            yield f"they move by up to {(before - after).abs().max().item():g} ({name})"


def _clipped(op: Function) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
    """The batch's name, its gradients before and after, and what the op returns."""
    for name, batch in GRADIENTS.items():
        given: Gradients = batch()
        before = given.gradients.clone()
        yield name, before, given.gradients, op(given)


def _changed(op: Function, name: str) -> tuple[Tensor, Tensor]:
    given: Gradients = GRADIENTS[name]()
    return op(given), given.gradients


_TRIALS = {name: partial(_changed, name=name) for name in GRADIENTS}

CONTRACT = Contract(
    premises=(partial(runs, trials=_TRIALS), returns_a_number),
    clauses=(
        partial(repeats, trials=_TRIALS),
        returns_the_norm_before,
        is_finite,
        makes_nothing_longer,
        leaves_short_gradients,
    ),
)
