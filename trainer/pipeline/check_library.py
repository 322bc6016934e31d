"""The checks that everyone needs, on numbers, arrays, tensors and what holds them; never imports torch or numpy.

`of` names the field (key or attribute, `a.b` goes deeper) to look at, else the whole value. Reading a tensor that
lives on a GPU waits for the GPU: use `sample_every` in a hot loop.
"""

import math
from collections.abc import Callable
from typing import Any, Unpack

from trainer.pipeline.checks import Check, CheckOptions
from trainer.pipeline.fields import field_of, is_array, parts_of


def no_nan(of: str | None = None, **options: Unpack[CheckOptions]) -> Check:
    """No number is NaN, at any depth of mappings, lists, tuples and dataclasses; infinities pass."""
    return _check("no_nan", of, lambda value: not _has_nan(value), options)


def required_keys(*keys: str, **options: Unpack[CheckOptions]) -> Check:
    """Every key, or attribute, is there; its value may be anything."""

    def all_there(value: Any) -> bool:
        for key in keys:
            field_of(value, key)
        return True

    return _check("required_keys", None, all_there, options)


def prob_simplex(of: str | None = None, tolerance: float = 1e-5, **options: Unpack[CheckOptions]) -> Check:
    """Probabilities: none negative, and the last axis sums to 1 within `tolerance`."""
    return _check("prob_simplex", of, lambda value: _on_simplex(value, tolerance), options)


def grad_band(low: float, high: float, of: str | None = None, **options: Unpack[CheckOptions]) -> Check:
    """The gradients' global L2 norm is in [`low`, `high`]: neither dead nor exploding, and not NaN.

    The value is the norm (a number), or arrays, or parameters with `.grad`, or a module with `.parameters()`.
    """
    return _check("grad_band", of, lambda value: low <= math.sqrt(_squares(value)) <= high, options)


def in_range(low: float, high: float, of: str | None = None, **options: Unpack[CheckOptions]) -> Check:
    """Every number is in [`low`, `high`], bounds included; NaN is not."""
    return _check("in_range", of, lambda value: _within(value, low, high), options)


def _check(name: str, of: str | None, predicate: Callable[[Any], bool], options: CheckOptions) -> Check:
    return Check(name if of is None else f"{name}:{of}", predicate, of=of, **options)


def _has_nan(value: Any) -> bool:
    if isinstance(value, float | complex):
        return value != value  # noqa: PLR0124 -- only NaN differs from itself
    if is_array(value):
        return bool((value != value).any())  # noqa: PLR0124
    return any(_has_nan(part) for part in parts_of(value) or ())


def _within(value: Any, low: float, high: float) -> bool:
    if is_array(value):
        return bool(((value >= low) & (value <= high)).all())
    parts = parts_of(value)
    return low <= value <= high if parts is None else all(_within(part, low, high) for part in parts)


def _on_simplex(value: Any, tolerance: float) -> bool:
    if is_array(value):
        return bool((value >= 0).all()) and bool((abs(value.sum(-1) - 1) <= tolerance).all())
    parts = list(parts_of(value) or ())
    if parts and all((is_array(part) and tuple(part.shape)) or parts_of(part) is not None for part in parts):
        return all(_on_simplex(part, tolerance) for part in parts)
    return all(part >= 0 for part in parts) and bool(abs(sum(parts) - 1) <= tolerance)


def _squares(value: Any) -> float:
    if hasattr(value, "parameters"):
        return _squares(list(value.parameters()))
    if getattr(value, "grad", None) is not None:
        value = value.grad
    elif getattr(value, "requires_grad", False):
        return 0.0
    if is_array(value):
        return float((value * value).sum())
    parts = parts_of(value)
    return float(value) ** 2 if parts is None else sum(_squares(part) for part in parts)
