"""Turns the structure of a pipeline into nested functions, once; it never runs them."""

from collections.abc import Callable, Sequence
from typing import Any

from trainer.pipeline.checks import Check
from trainer.pipeline.control import branched, mapped, observed, repeated
from trainer.pipeline.errors import wrong_type
from trainer.pipeline.interventions import Hook, Request
from trainer.pipeline.log_line import LogLine
from trainer.pipeline.place import Loop, Place, Trail
from trainer.pipeline.steps import Body, Branch, Call, Function, Join, Log, Map, Membrane, Observe, Repeat, Step
from trainer.pipeline.watch import CheckWatch, HookWatch


class Compiler:
    """Compiles one pipeline and keeps what counts in it: the checks and hooks by path, and the hooks' requests."""

    def __init__(self) -> None:
        self.root = Place(Trail())
        self.checks: dict[str, CheckWatch] = {}
        self.hooks: dict[str, HookWatch] = {}
        self.requests: list[Request] = []

    def chain(self, body: Body, place: Place) -> Function:
        """One function that calls the steps of `body` in turn; an error gets the path of its step."""
        places = [place.step(step.name) for step in body.steps]
        calls = tuple((at, self._watched(step, at)) for step, at in zip(body.steps, places, strict=True))

        def run(x: Any) -> Any:
            at = place
            try:
                for at, call in calls:  # noqa: B007 -- the handler reads it
                    x = call(x)
            except Exception as error:
                at.mark(error)
                raise
            return x

        return run

    def _watched(self, step: Step, place: Place) -> Function:
        function = self._step(step, place)
        if not step.watchers:
            return function
        names = _hook_names(step.watchers)
        hooks = zip(step.watchers, names, strict=True)
        show = observed([self._hook(hook, f"{place.declared}.{name}", place) for hook, name in hooks])
        return lambda x: show(function(x))

    def _step(self, step: Step, place: Place) -> Function:
        match step:
            case Call():
                function = self._inner(step, step.function, place)
                for guard in reversed(step.guards):
                    function = guard(function)
                return _in_slot(step, function)
            case Join():
                inner = self._inner(step, step.body, place)
                watches = self._check_all(step.exit_checks, place)
                return _in_slot(step, _checked_after(inner, watches) if watches else inner)
            case Membrane():
                return self._membrane(step, place)
            case Observe():
                return observed([self._hook(step.hook, place.declared, place)])
            case Log():
                return observed([LogLine(step.text, place)])
            case Repeat() | Branch() | Map():
                return _in_slot(step, self._nested(step, place))
            case _:
                raise TypeError(f"{place.declared}: a step of the unknown kind {step.kind!r}")

    def _nested(self, step: Repeat | Branch | Map, place: Place) -> Function:
        if isinstance(step, Branch):
            then = self.chain(step.then, place.step("then"))
            otherwise = step.otherwise and self.chain(step.otherwise, place.step("otherwise"))
            return branched(step.condition, then, otherwise)
        if isinstance(step, Map):
            loop = Loop(stops=False)
            return mapped(self.chain(step.body, place.iteration(loop)), loop)
        loop = Loop(stops=True)
        inside = place.iteration(loop, step.flat)
        return repeated(step, self.chain(step.body, inside), loop, inside)

    def _inner(self, step: Step, declared: Function | Body | None, place: Place) -> Function:
        inner = declared if step.replacement is None else step.replacement
        if inner is None:
            raise TypeError(f"{place.declared}: an open hole was compiled")
        return self.chain(inner, place) if isinstance(inner, Body) else inner

    def _membrane(self, step: Membrane, place: Place) -> Function:
        watches: list[Callable[[Any], None]] = [*self._check_all(step.checks, place)]
        for hook, name in zip(step.hooks, _hook_names(step.hooks), strict=True):
            watches.append(self._hook(hook, f"{place.declared}.{name}", place))
        if step.expected is not None:
            watches.insert(0, _type_check(step.expected, place))
        return observed(watches)

    def _check_all(self, checks: Sequence[Check], place: Place) -> list[CheckWatch]:
        watches = {f"{place.declared}.{check.name}": CheckWatch(check, place) for check in checks}
        self.checks |= watches
        return list(watches.values())

    def _hook(self, hook: Hook, name: str, place: Place) -> HookWatch:
        self.hooks[name] = HookWatch(hook, name, place, self.requests.append)
        return self.hooks[name]


def _in_slot(step: Step, function: Function) -> Function:
    """The function between what it takes of the value and what it gives to it."""
    takes, gives = step.takes, step.gives
    if takes is None:
        return function if gives is None else lambda x: gives(x, function(x))
    if gives is None:
        return lambda x: function(takes(x))
    return lambda x: gives(x, function(takes(x)))


def _checked_after(inner: Function, watches: Sequence[CheckWatch]) -> Function:
    check = observed(watches)
    return lambda x: check(inner(x))


def _type_check(expected: Any, place: Place) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, expected):
            raise wrong_type(place.path(), expected, value)

    return check


def _hook_names(hooks: Sequence[Hook]) -> list[str]:
    names: list[str] = []
    for hook in hooks:
        names.append(free_name(hook_name(hook), names))
    return names


def hook_name(hook: Hook) -> str:
    """The name of a hook that was given none: its function's, or `hook`."""
    name = getattr(hook, "__name__", "")
    return name if name.isidentifier() else "hook"


def free_name(name: str, taken: Sequence[str] | set[str]) -> str:
    """`name`, or `name_2`, `name_3` … if it is taken."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
