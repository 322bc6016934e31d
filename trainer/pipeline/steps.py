"""The structure of a pipeline as immutable data, so that two pipelines can hold one part and never share state."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from trainer.pipeline.checks import Check
from trainer.pipeline.guards import Guard
from trainer.pipeline.interventions import Hook

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Body:
    """The steps of one pipeline, in order."""

    name: str
    steps: tuple["Step", ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """One named step; `replacement` is what an override put in its place.

    With `takes` the step, or its replacement, is given `takes(x)` instead of the value; with `gives` the value goes on
    as `gives(x, result)`. `watchers` are shown the value after the step.
    """

    name: str
    kind: str
    expose: bool = False
    replacement: Function | Body | None = None
    takes: Function | None = None
    gives: Callable[[Any, Any], Any] | None = None
    watchers: tuple[Hook, ...] = ()

    def children(self) -> Iterator[tuple[str, Body]]:
        """The nested bodies, each with the name of the field that holds it."""
        return iter(())

    def inside(self, path: str, field: str) -> str:
        """The prefix of the paths in the nested body in `field`, for a step whose own path is `path`."""
        return f"{path}."

    def with_child(self, field: str, body: Body) -> "Step":
        """The same step with another nested body."""
        changes: dict[str, Any] = {field: body}
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Call(Step):
    """Call a function: `stage` (pure) or `io` (effects)."""

    function: Function
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Join(Step):
    """Run a nested pipeline, then check its output; `body` None is a hole that must be filled."""

    kind: str = "join"
    body: Body | None
    exit_checks: tuple[Check, ...] = ()

    def children(self) -> Iterator[tuple[str, Body]]:
        """The nested body, if there is one."""
        return iter(() if self.body is None else (("body", self.body),))


@dataclass(frozen=True, kw_only=True)
class Membrane(Step):
    """Let a value through if its type and checks hold, and show it to hooks."""

    kind: str = "through"
    expected: Any = None
    checks: tuple[Check, ...] = ()
    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Observe(Step):
    """Show the value to one hook."""

    kind: str = "hook"
    hook: Hook


@dataclass(frozen=True, kw_only=True)
class Log(Step):
    """Log one line about the value."""

    kind: str = "logf"
    text: str


@dataclass(frozen=True, kw_only=True)
class Repeat(Step):
    """Run a nested pipeline again and again on its own output; `flat` leaves its name out of the paths inside."""

    kind: str = "repeat"
    body: Body
    times: int
    until: Function | None = None
    save: Function | None = None
    done: Callable[[Any], int] | None = None
    flat: bool = False

    def children(self) -> Iterator[tuple[str, Body]]:
        """The body of the loop."""
        return iter((("body", self.body),))

    def inside(self, path: str, field: str) -> str:
        """A flat loop's steps have the paths of its neighbours."""
        return path.removesuffix(self.name) if self.flat else f"{path}."


@dataclass(frozen=True, kw_only=True)
class Branch(Step):
    """Run one of two nested pipelines; without `otherwise` the value passes through."""

    kind: str = "branch"
    condition: Function
    then: Body
    otherwise: Body | None = None

    def children(self) -> Iterator[tuple[str, Body]]:
        """The one or two arms."""
        yield "then", self.then
        if self.otherwise is not None:
            yield "otherwise", self.otherwise

    def inside(self, path: str, field: str) -> str:
        """The arm is a part of the path."""
        return f"{path}.{field}."


@dataclass(frozen=True, kw_only=True)
class Map(Step):
    """Run a nested pipeline on each element; the results are a list."""

    kind: str = "map"
    body: Body

    def children(self) -> Iterator[tuple[str, Body]]:
        """The pipeline of one element."""
        return iter((("body", self.body),))
