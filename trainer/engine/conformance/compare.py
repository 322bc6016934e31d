"""Says in words where two results differ, bit for bit; it never says which of them is right."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from torch import Tensor

Parts = Iterator[tuple[str, Any, Any]]


def difference(found: Any, expected: Any, at: str = "result") -> str:
    """The first difference, with its place below `at`; empty if there is none."""
    if isinstance(found, Tensor | np.ndarray) and isinstance(expected, Tensor | np.ndarray):
        return _array_difference(as_array(found), as_array(expected), at)
    if type(found) is not type(expected):
        return f"{at} is {type(found).__name__}, then {type(expected).__name__}"
    parts = _parts(found, expected, at)
    if parts is None:
        same = repr(found) == repr(expected) if isinstance(found, float) else found == expected
        return "" if same else f"{at} is {found!r}, then {expected!r}"
    return next(filter(None, (difference(one, other, below) for below, one, other in parts)), "")


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """A tensor or array as an array of this machine, without gradients."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _parts(found: Any, expected: Any, at: str) -> Parts | None:
    if is_dataclass(found) and not isinstance(found, type):
        return (
            (f"{at}.{field.name}", getattr(found, field.name), getattr(expected, field.name)) for field in fields(found)
        )
    if isinstance(found, Mapping):
        keys = ((f"{at}'s keys", sorted(map(str, found)), sorted(map(str, expected))),)
        return iter(keys + tuple((f"{at}[{key!r}]", value, expected.get(key)) for key, value in found.items()))
    if isinstance(found, list | tuple) and len(found) == len(expected):
        return ((f"{at}[{i}]", one, other) for i, (one, other) in enumerate(zip(found, expected, strict=True)))
    return None


def _array_difference(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], at: str) -> str:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return f"{at} is {found.dtype} {found.shape}, then {expected.dtype} {expected.shape}"
    if found.tobytes() == expected.tobytes():
        return ""
    for place in np.ndindex(found.shape):
        if found[place].tobytes() != expected[place].tobytes():
            where = f"{at}{list(place)}" if place else at
            return f"{where} is {found[place]}, then {expected[place]}"
    return f"{at} differs"
