"""Refuses steps that could not run, when they are written: bad names, bounds, arguments; it never mends them."""

import math
from collections.abc import Iterable, Sequence
from string import Formatter
from typing import Any

from trainer.pipeline.checks import Check
from trainer.pipeline.guards import Guard
from trainer.pipeline.steps import Body, Step
from trainer.pipeline.structure import names_at_top, names_of
from trainer.plain.refusal import Refused


def accept_name(path: str, name: Any) -> None:
    """Refuse a name that could not be a part of a path."""
    if not isinstance(name, str) or not name.isidentifier():
        raise Refused.one(path, name, "a name must be an identifier: letters, digits and _, no digit first")


def accept_step(body: Body, step: Step) -> None:
    """Refuse a step whose name, or the name of a step in a flat loop, is taken in `body`."""
    accept_name(f"{body.name}.{step.name}", step.name)
    taken = names_at_top(body) & names_of(step)
    if taken:
        name = min(taken)
        raise Refused.one(f"{body.name}.{name}", name, "the name is taken in this pipeline, and paths must be unique")


def accept_functions(path: str, **functions: Any) -> None:
    """Refuse what cannot be called; None stands for an optional one that was left out."""
    for argument, function in functions.items():
        if function is not None and not callable(function):
            raise Refused.one(f"{path}.{argument}", function, "must be callable (a pipeline is added with .join)")


def accept_function(path: str, function: Any) -> None:
    """Refuse a step's function that cannot be called."""
    if not callable(function):
        raise Refused.one(path, function, "must be callable (a pipeline is added with .join)")


def accept_all(path: str, things: Iterable[Any], kind: type[Check] | type[Guard]) -> None:
    """Refuse what is not a check, or not a guard, and two checks of one name."""
    names: list[str] = []
    for thing in things:
        if not isinstance(thing, kind):
            raise Refused.one(path, thing, f"must be a {kind.__name__}")
        names.append(thing.name)
    if kind is Check and len(set(names)) < len(names):
        raise Refused.one(path, names, "two checks have the same name, and counts go by name; give one another name")


def accept_bound(path: str, value: Any, least: int) -> None:
    """Refuse a bound that is not a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refused.one(path, value, f"must be a whole number, at least {least}")


def accept_seconds(path: str, value: Any) -> None:
    """Refuse a time that is not positive and finite."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not (value > 0 and math.isfinite(value)):
        raise Refused.one(path, value, "must be a positive number of seconds")


def accept_type(path: str, expected: Any) -> None:
    """Refuse a type that isinstance() does not take, such as `list[int]`."""
    try:
        isinstance(None, expected)
    except TypeError:
        raise Refused.one(
            path, str(expected), "must be a class or a union of classes (`list`, not `list[int]`); None for no check"
        ) from None


def accept_text(path: str, text: Any) -> None:
    """Refuse a text whose braces do not match."""
    try:
        list(Formatter().parse(text))
    except (ValueError, TypeError) as error:
        raise Refused.one(path, text, f"is not a format string: {error}") from None


def accept_flat(path: str, name: str, inside: Sequence[str] | set[str]) -> None:
    """Refuse a flat loop with a step of its own name: both would have one path."""
    if name in inside:
        raise Refused.one(path, name, "a flat loop and a step inside it have the same name, so the same path")
