"""Says what a callable is made of, as plain data equal in every process; it never calls the callable."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from hashlib import sha256
from pathlib import PurePath
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType, UnionType
from typing import Any, cast

from pydantic import BaseModel

from trainer.plain.model import digest_of


def label(thing: Any) -> str:
    """`module:qualname` of a function or class; of an object, that of its class."""
    if isinstance(thing, functools.partial):
        return f"partial({label(cast(Any, thing).func)})"
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    if not isinstance(name, str):
        return label(type(thing))
    return f"{getattr(thing, '__module__', None) or 'builtins'}:{name}"


def source_digest(thing: Any) -> str | None:
    """`sha256:…` of the source of a function or class; None where there is none to read (C code).

    Lambdas, and functions whose file cannot be read, go by their bytecode, which depends on Python's version.
    """
    if isinstance(thing, MethodType):
        thing = thing.__func__
    code = thing.__code__ if isinstance(thing, FunctionType) else None
    return _digest(thing) if code is None else _code_digest(code, code.co_filename)


def described(value: Any, within: tuple[int, ...] = ()) -> Any:
    """JSON-typed data that identifies `value`: plain data, dataclasses and models by content, callables by source.

    A function also by its defaults and what it closes over. Any other object counts by its class only, and the
    functions that a function calls are not followed.
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if id(value) in within:
        return "itself"
    for types, describe in _DESCRIBERS:
        if isinstance(value, types):
            return describe(value, (*within, id(value)))
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return _record(value, (*within, id(value)))
    wrapped = getattr(value, "__wrapped__", None)
    inner = None if wrapped is None else described(wrapped, (*within, id(value)))
    return {"is": label(value), "source": _call_source(value), "wraps": inner}


@functools.lru_cache(maxsize=4096)
def _code_digest(code: CodeType, filename: str) -> str:
    """The file name is a part of the cache's key only: equal code may stand in two files."""
    read = None if code.co_name == "<lambda>" else _digest(code)
    return read or digest_of(_code(code))


def _digest(thing: Any) -> str | None:
    try:
        return f"sha256:{sha256(inspect.getsource(thing).encode()).hexdigest()}"
    except (OSError, TypeError):
        return None


def _call_source(value: Any) -> str | None:
    return source_digest(type(value)) if callable(value) else None


def _record(value: Any, within: tuple[int, ...]) -> Any:
    if isinstance(value, BaseModel):
        names = list(type(value).model_fields)
    else:
        names = [field.name for field in dataclasses.fields(value)]
    fields = {name: described(getattr(value, name), within) for name in names}
    return {"is": label(value), "source": _call_source(value), "fields": fields}


def _function(function: FunctionType, within: tuple[int, ...]) -> Any:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {
        "is": label(function),
        "source": source_digest(function),
        "defaults": described([function.__defaults__, function.__kwdefaults__], within),
        "closure": {name: _cell(cell, within) for name, cell in cells},
    }


def _cell(cell: Any, within: tuple[int, ...]) -> Any:
    try:
        return described(cell.cell_contents, within)
    except ValueError:
        return "empty"


def _method(method: Any, within: tuple[int, ...]) -> Any:
    function = getattr(method, "__func__", None)
    return {
        "is": label(method),
        "function": described(function, within),
        "of": described(method.__self__, within),
    }


def _partial(partial: Any, within: tuple[int, ...]) -> Any:
    return {"partial": described([partial.func, partial.args, partial.keywords], within)}


def _mapping(mapping: Mapping[Any, Any], within: tuple[int, ...]) -> Any:
    return sorted(([described(k, within), described(v, within)] for k, v in mapping.items()), key=digest_of)


def _code(code: CodeType) -> Any:
    constants = [_code(each) if isinstance(each, CodeType) else described(each) for each in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), list(code.co_freevars), constants]


_DESCRIBERS: tuple[tuple[Any, Callable[[Any, tuple[int, ...]], Any]], ...] = (
    (Enum, lambda value, within: f"{label(type(value))}.{value.name}"),
    ((float, complex), lambda value, within: {"number": repr(value)}),
    (bytes, lambda value, within: {"bytes": value.hex()}),
    (PurePath, lambda value, within: {"path": str(value)}),
    ((list, tuple), lambda value, within: [described(each, within) for each in value]),
    ((set, frozenset), lambda value, within: sorted((described(each, within) for each in value), key=digest_of)),
    (Mapping, _mapping),
    (FunctionType, _function),
    ((MethodType, BuiltinMethodType), _method),
    (functools.partial, _partial),
    (type, lambda value, within: {"is": label(value), "source": source_digest(value)}),
    (UnionType, lambda value, within: {"any of": described(value.__args__, within)}),
    (ModuleType, lambda value, within: {"module": value.__name__}),
)
