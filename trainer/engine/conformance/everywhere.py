"""The clauses that hold in every slot; they never know what an op is for."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any

import numpy as np
from torch import Tensor

from trainer.engine.conformance.clause import Findings, raised
from trainer.engine.conformance.compare import as_array, difference
from trainer.pipeline.steps import Function

Batches = Mapping[str, Callable[[], Any]]
"""What makes a new record for the op, by what is special about it."""

Trials = Mapping[str, Callable[[Function], Any]]
"""What runs the op and gives all that it did, by what is special about the batch."""


def trials_on(batches: Batches) -> Trials:
    """The op called once on each batch; its result is all that it did."""
    return {name: lambda op, batch=batch: op(batch()) for name, batch in batches.items()}


def runs(op: Function, trials: Trials) -> Findings:
    """It runs on small batches."""
    for name, trial in trials.items():
        try:
            trial(op)
        except Exception as error:
            yield f"{raised(error)} ({name})"


def repeats(op: Function, trials: Trials) -> Findings:
    """Given the same twice, it does the same, bit for bit."""
    for name, trial in trials.items():
        found = difference(trial(op), trial(op))
        if found:
            yield f"{found} ({name})"


def keeps(op: Function, batches: Batches, but: tuple[str, ...] = ()) -> Findings:
    """It leaves what it is given as it was, but for what it is there to change."""
    for name, batch in batches.items():
        record = batch()
        before = deepcopy(record)
        op(record)
        for field in fields(record):
            found = difference(getattr(before, field.name), getattr(record, field.name), field.name)
            if found and field.name not in but:
                yield f"{found} ({name})"


def results(op: Function, batches: Batches) -> Iterator[tuple[str, Any, Any]]:
    """Each batch's name, the batch, and what the op makes of it."""
    for name, batch in batches.items():
        record = batch()
        yield name, record, op(record)


def not_finite(value: Any, name: str) -> Findings:
    """Words for the numbers of an array or tensor that are not finite, if there are any."""
    array = as_array(value)
    lost = int(array.size - np.isfinite(array).sum())
    if lost:
        yield f"{lost} of {array.size} numbers of {name} are not finite"


def not_shaped(value: Any, shape: tuple[int, ...], name: str) -> Findings:
    """Words for an array or tensor that has another shape."""
    found = tuple(value.shape)
    if found != shape:
        yield f"{name} has shape {found}, not {shape}"


def not_scalar(value: Any, name: str) -> Findings:
    """Words for what is no tensor with a single floating-point number and no dimensions."""
    if not isinstance(value, Tensor):
        yield f"{name} is {type(value).__name__}, not a Tensor"
    elif value.ndim or not value.is_floating_point():
        yield f"{name} is {value.dtype} of shape {tuple(value.shape)}, not one floating-point number of shape ()"
