"""What `compute_loss` owes; it never asks for any one algorithm.

Legend: B agent-steps of a minibatch.
"""

from dataclasses import fields
from functools import partial

import torch
from torch import Tensor

from trainer.engine.conformance.batches import SAMPLES, sample
from trainer.engine.conformance.clause import Contract, Findings
from trainer.engine.conformance.everywhere import keeps, not_finite, not_scalar, repeats, results, runs, trials_on
from trainer.ops.slots import Loss, Sample
from trainer.pipeline.steps import Function

PARTS = tuple(field.name for field in fields(Loss))
LEARNED = ("log_probs", "values", "entropy")
FIXED = ("old_log_probs", "advantages", "old_values", "returns")


def returns_a_loss(op: Function) -> Findings:
    """It returns a Loss of tensors with one number each."""
    for name, _, loss in results(op, SAMPLES):
        if not isinstance(loss, Loss):
            yield f"it returns {type(loss).__name__} ({name})"
        for part in PARTS:
            for found in not_scalar(getattr(loss, part), part):
                yield f"{found} ({name})"


def is_finite(op: Function) -> Findings:
    """Every number of the loss is finite."""
    for name, _, loss in results(op, SAMPLES):
        for part in PARTS:
            for found in not_finite(getattr(loss, part), part):
                yield f"{found} ({name})"


def measures_without_gradients(op: Function) -> Findings:
    """Only the total carries a gradient, all else is detached."""
    for name, _, loss in results(op, SAMPLES):
        for part in PARTS:
            if part != "total" and getattr(loss, part).requires_grad:
                yield f"{part} requires a gradient: detach it ({name})"


def reaches_the_policy(op: Function) -> Findings:
    """The gradient of the total reaches log_probs where advantages are not 0."""
    given = sample()
    gradient = _gradients(op(given), given)["log_probs"]
    if gradient is None:
        yield "there is no path from total to log_probs: was one of them detached?"
    elif not gradient.any():
        yield "it is 0 for every action"


def has_finite_gradients(op: Function) -> Findings:
    """The gradients of log_probs, values and entropy are finite."""
    for name, given, loss in results(op, SAMPLES):
        for learned, gradient in _gradients(loss, given).items():
            for found in not_finite(0.0 if gradient is None else gradient, f"the gradient of {learned}"):
                yield f"{found} ({name})"


def asks_for_no_other_gradient(op: Function) -> Findings:
    """No gradient passes to advantages, returns, old_log_probs and old_values."""
    for name, given, _ in results(op, SAMPLES):
        for fixed in FIXED:
            if getattr(given, fixed).requires_grad:
                yield f"{fixed} require a gradient afterwards ({name})"


def descends_towards_advantage(op: Function) -> Findings:
    """A step down the total makes actions with higher advantages likelier than those with lower."""
    given = sample(drift=0.0, value_coef=0.0, entropy_coef=0.0)
    gradient = _gradients(op(given), given)["log_probs"]
    # Without a gradient there is no direction; another clause says so. Advantages have mean 0: a push on all is none.
    if gradient is not None and gradient.any() and (gradient * given.advantages).sum() >= 0:
        yield "it makes them less likely: is the sign of the policy loss turned?"


def _gradients(loss: Loss, given: Sample) -> dict[str, Tensor | None]:
    if not loss.total.requires_grad:
        return dict.fromkeys(LEARNED)
    learned = [getattr(given, name) for name in LEARNED]
    return dict(zip(LEARNED, torch.autograd.grad(loss.total, learned, allow_unused=True), strict=True))


CONTRACT = Contract(
    premises=(partial(runs, trials=trials_on(SAMPLES)), returns_a_loss),
    clauses=(
        partial(repeats, trials=trials_on(SAMPLES)),
        partial(keeps, batches=SAMPLES),
        is_finite,
        measures_without_gradients,
        reaches_the_policy,
        has_finite_gradients,
        asks_for_no_other_gradient,
        descends_towards_advantage,
    ),
)
