"""Reads named fields of any value and shows values shortly, by duck typing; it never imports torch or numpy."""

import dataclasses
from collections.abc import Iterable, Mapping
from reprlib import Repr
from typing import Any, cast

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def field_of(value: Any, name: str) -> Any:
    """The key or attribute `name` of `value`; `a.b` goes deeper where no key has the dot itself.

    Raises KeyError if there is none.
    """
    kind = type(value).__name__
    if isinstance(value, Mapping):
        mapping = cast(Mapping[Any, Any], value)
        if name in mapping:
            return mapping[name]
    elif hasattr(value, name):
        return getattr(value, name)
    first, dot, rest = name.partition(".")
    if not dot:
        raise KeyError(f"{kind} has no field {name!r}")
    return field_of(field_of(value, first), rest)


def is_array(value: Any) -> bool:
    """Whether `value` is an array or tensor, or a scalar of such a library."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def parts_of(value: Any) -> Iterable[Any] | None:
    """What a mapping, list, tuple or dataclass holds; None for anything else."""
    if isinstance(value, Mapping):
        return cast(Mapping[Any, Any], value).values()
    if isinstance(value, list | tuple):
        return cast(Iterable[Any], value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return None


def summary(value: Any) -> str:
    """One short line about `value`: shape and dtype of arrays, keys of mappings, else a cut repr."""
    kind = type(value).__name__
    if is_array(value) and tuple(value.shape):
        return f"{kind}{tuple(value.shape)} of {value.dtype}"
    if isinstance(value, Mapping):
        keys = [str(key) for key in cast(Mapping[Any, Any], value)]
        return f"{kind} with {len(keys)} keys: {', '.join(keys[:8])}{' ...' if keys[8:] else ''}"
    return _SHORT.repr(value)
