"""The builder of pipelines: named steps, exposure, overrides; it never runs a step itself and imports no engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from trainer.pipeline.accept import (
    accept_all,
    accept_bound,
    accept_flat,
    accept_function,
    accept_functions,
    accept_name,
    accept_seconds,
    accept_step,
    accept_text,
    accept_type,
)
from trainer.pipeline.checks import Check
from trainer.pipeline.compiled import Compiled
from trainer.pipeline.compiler import free_name, hook_name
from trainer.pipeline.errors import PipelineFrozen
from trainer.pipeline.fingerprint import fingerprint
from trainer.pipeline.guards import Guard, retry
from trainer.pipeline.guards import timeout as timeout_guard
from trainer.pipeline.interventions import Hook
from trainer.pipeline.render import Format, render, replacement_name
from trainer.pipeline.steps import Body, Branch, Call, Function, Join, Log, Map, Membrane, Observe, Repeat, Step
from trainer.pipeline.structure import (
    exposed_at,
    hole_at,
    is_hole,
    names_at_top,
    open_holes,
    rebuilt,
    running,
    running_at,
    walk,
)
from trainer.plain.refusal import Problem, Refused, nearest


@dataclass(frozen=True)
class StepInfo:
    """One declared step: its path, its kind, whether it is exposed, overridden, or a hole that nothing fills."""

    path: str
    kind: str
    exposed: bool
    overridden: bool
    hole: bool


class Pipeline:
    """A chain of named steps, each given what the one before it returned.

    Building methods change this pipeline and return it. Composing takes the other pipeline as it is now: neither sees
    later changes of the other. Once compiled or run, a pipeline refuses every change (`PipelineFrozen`).
    """

    def __init__(self, name: str) -> None:
        self._body = Body(name)
        self._compiled: Compiled | None = None
        accept_name("Pipeline.name", name)

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, {len(self._body.steps)} steps)"

    @property
    def name(self) -> str:
        """The pipeline's own name; it is not a part of the paths inside."""
        return self._body.name

    def stage(
        self,
        name: str,
        f: Function,
        expose: bool = False,
        guards: Sequence[Guard] = (),
        takes: Function | None = None,
        gives: Callable[[Any, Any], Any] | None = None,
    ) -> Self:
        """Add a pure function. Guards, the first outermost, also guard what overrides it.

        A slot: with `takes` the function is given `takes(x)`, and with `gives` the value goes on as `gives(x, result)`.
        Both stay when the function is overridden, so that an override only needs to know its own part.
        """
        return self._call("stage", name, f, expose, guards, takes, gives)

    def io(
        self,
        name: str,
        f: Function,
        expose: bool = False,
        timeout: float | None = None,
        num_retries: int = 0,
        guards: Sequence[Guard] = (),
        takes: Function | None = None,
        gives: Callable[[Any, Any], Any] | None = None,
    ) -> Self:
        """Add a function with effects: each try may take `timeout` seconds, and `num_retries` more tries follow."""
        accept_bound(f"{self.name}.{name}.num_retries", num_retries, 0)
        own: list[Guard] = [retry(num_retries)] if num_retries else []
        if timeout is not None:
            accept_seconds(f"{self.name}.{name}.timeout", timeout)
            own.append(timeout_guard(timeout))
        return self._call("io", name, f, expose, (*guards, *own), takes, gives)

    def join(
        self,
        name: str,
        pipeline: "Pipeline",
        expose: bool = False,
        takes: Function | None = None,
        gives: Callable[[Any, Any], Any] | None = None,
    ) -> Self:
        """Add a nested pipeline; `takes` and `gives` as for a stage."""
        accept_functions(f"{self.name}.{name}", takes=takes, gives=gives)
        body = self._part(name, pipeline)
        return self._add(Join(name=name, expose=expose, body=body, takes=takes, gives=gives))

    def require_join(self, name: str, exit_checks: Sequence[Check] = (), expose: bool = False) -> Self:
        """Add a hole for a nested pipeline; the checks hold its output, whatever fills or overrides it."""
        accept_all(f"{self.name}.{name}.exit_checks", exit_checks, Check)
        return self._add(Join(name=name, kind="require_join", expose=expose, body=None, exit_checks=tuple(exit_checks)))

    def provide_join(self, name: str, pipeline: "Pipeline") -> Self:
        """Fill the hole at the path `name`, at any depth."""
        self._writable(f"provide_join({name!r})")
        body = self._part(name, pipeline)
        hole_at(self._body, name, replacement_name(body))
        self._body = rebuilt(self._body, name, lambda step: step.with_child("body", body))
        return self

    def through(
        self,
        expected: Any = None,
        checks: Sequence[Check] = (),
        hooks: Sequence[Hook] = (),
        name: str | None = None,
    ) -> Self:
        """Add a membrane: the value's type (a class, a union of classes, None for any), then checks, then hooks.

        Without a name it is called `after_<the step before it>`.
        """
        last = f"after_{self._body.steps[-1].name}" if self._body.steps else "at_start"
        name = self._free(last) if name is None else name
        if expected is not None:
            accept_type(f"{self.name}.{name}.expected", expected)
        accept_all(f"{self.name}.{name}.checks", checks, Check)
        for hook in hooks:
            accept_function(f"{self.name}.{name}.hooks", hook)
        return self._add(Membrane(name=name, expected=expected, checks=tuple(checks), hooks=tuple(hooks)))

    def hook(self, f: Hook, name: str | None = None) -> Self:
        """Add an observer: `f(value, info)`; what it returns is ignored, what it raises is counted.

        Without a name it is called as its function is. It must not change a mutable value that it is shown.
        """
        name = self._free(hook_name(f)) if name is None else name
        accept_function(f"{self.name}.{name}", f)
        return self._add(Observe(name=name, hook=f))

    def logf(self, text: str, name: str | None = None) -> Self:
        """Log `text` at INFO, with `{field:.2f}` from the value's keys or attributes and `{}` for the value itself."""
        name = self._free("logf") if name is None else name
        accept_text(f"{self.name}.{name}", text)
        return self._add(Log(name=name, text=text))

    def repeat(
        self,
        name: str,
        pipeline: "Pipeline",
        times: int,
        until: Callable[[Any], bool] | None = None,
        save: Callable[[Any], object] | None = None,
        flat: bool = False,
        done: Callable[[Any], int] | None = None,
        takes: Function | None = None,
        gives: Callable[[Any, Any], Any] | None = None,
    ) -> Self:
        """Add a loop: `pipeline` on its own output, at most `times` times, until `until(value)` after an iteration.

        `save(value)` is called after an iteration in which a hook requested a checkpoint. A flat loop leaves its name
        out of the paths inside, as `override` and `steps` write them; errors still name it: `train.updates#3.loss`.
        `done(value)` is how many iterations were done before, for a loop that is resumed: it goes on with the next
        number. `takes` is called once before the loop, `gives` once after it.
        """
        accept_bound(f"{self.name}.{name}.times", times, 1)
        accept_functions(f"{self.name}.{name}", until=until, save=save, done=done, takes=takes, gives=gives)
        body = self._part(name, pipeline)
        if flat:
            accept_flat(f"{self.name}.{name}", name, names_at_top(body))
        loop = Repeat(name=name, body=body, times=times, until=until, save=save, done=done, flat=flat)
        return self._add(replace(loop, takes=takes, gives=gives))

    def branch(
        self, name: str, condition: Callable[[Any], bool], then: "Pipeline", otherwise: "Pipeline | None" = None
    ) -> Self:
        """Add a choice; paths inside are `name.then.…` and `name.otherwise.…`. Without `otherwise` the value passes."""
        accept_function(f"{self.name}.{name}.condition", condition)
        other = None if otherwise is None else self._part(name, otherwise)
        return self._add(Branch(name=name, condition=condition, then=self._part(name, then), otherwise=other))

    def map(self, name: str, pipeline: "Pipeline") -> Self:
        """Add a loop over the elements of an iterable; the results are a list. Elements count from 1 in paths."""
        return self._add(Map(name=name, body=self._part(name, pipeline)))

    def override(self, path: str, replacement: "Function | Pipeline") -> Self:
        """Replace the exposed step at `path` by a function or a pipeline; a second override replaces the first.

        The last part of a path is enough where only one exposed step ends with it. Raises `Refused`, listing what is
        exposed, if the path is not exposed or does not exist, and if a step around it or inside it is overridden
        already: one of the two would have no effect.
        """
        self._writable(f"override({path!r})")
        new = replacement._body if isinstance(replacement, Pipeline) else replacement
        path = exposed_at(self._body, path, replacement_name(new))
        if isinstance(new, Body):
            _refuse_holes(new, f"{path}.")
        else:
            accept_function(path, new)
        self._body = rebuilt(self._body, path, lambda step: replace(step, replacement=new))
        return self

    def watch(self, path: str, f: Hook, *more: Hook) -> Self:
        """Show the value to observers, in this order, after the step at `path`, exposed or not; see `hook`.

        Raises `Refused` with the nearest name where there is no such step, and inside of an overridden one.
        """
        self._writable(f"watch({path!r})")
        for observer in (f, *more):
            accept_function(path, observer)
        running_at(self._body, path, hook_name(f))
        self._body = rebuilt(self._body, path, lambda step: replace(step, watchers=(*step.watchers, f, *more)))
        return self

    def watchers(self) -> dict[str, tuple[Hook, ...]]:
        """The observers of each watched step, by path."""
        return {path: step.watchers for path, step in walk(self._body) if step.watchers}

    def only(self, name: str) -> "Pipeline":
        """A pipeline with nothing but the step `name` of this one, as it stands; paths stay the same."""
        steps = {step.name: step for step in self._body.steps}
        if name not in steps:
            raise Refused.one(f"{self.name}.{name}", name, f"there is no such step; {nearest(name, steps)}")
        return _of(Body(self._body.name, (steps[name],)))

    def exposed(self) -> tuple[str, ...]:
        """The paths that may be overridden, sorted; overrides do not change them."""
        return tuple(sorted(path for path, step in walk(self._body) if step.expose))

    def steps(self) -> tuple[StepInfo, ...]:
        """Every declared step, in order, each before the steps inside it."""
        return tuple(
            StepInfo(path, step.kind, step.expose, step.replacement is not None, is_hole(step))
            for path, step in walk(self._body)
        )

    def overrides(self) -> "dict[str, Function | Pipeline]":
        """What replaces each overridden step, by path."""
        found: dict[str, Function | Pipeline] = {}
        for path, step in walk(self._body):
            if step.replacement is not None:
                found[path] = _of(step.replacement) if isinstance(step.replacement, Body) else step.replacement
        return found

    def running(self) -> "dict[str, Function | Pipeline]":
        """What runs in each exposed step, by path: its override, else what was declared; nothing inside an override."""
        found = {path: inner for path, inner in running(self._body) if inner is not None}
        return {path: _of(inner) if isinstance(inner, Body) else inner for path, inner in found.items()}

    def render(self, form: Format = "text") -> str:
        """The pipeline drawn as indented text or as a Mermaid flowchart, exposed and overridden steps marked."""
        return render(self._body, form)

    def fingerprint(self) -> str:
        """`sha256:…` of the structure and of every callable's source, defaults and closure; equal in every process.

        Take it before a run: an op that is a dataclass counts by its fields, and a run may change them.
        """
        return fingerprint(self._body)

    def copy(self) -> "Pipeline":
        """The same pipeline, free to be changed."""
        return _of(self._body)

    def compile(self) -> Compiled:
        """The pipeline as one callable, always the same one; raises `Refused` with the path of every open hole."""
        if self._compiled is None:
            _refuse_holes(self._body, "")
            self._compiled = Compiled(self._body)
        return self._compiled

    def run(self, x: Any) -> Any:
        """Compile if need be, and run on `x`; counts and requests are on `compile()`."""
        return self.compile()(x)

    def _call(
        self,
        kind: str,
        name: str,
        f: Function,
        expose: bool,
        guards: Sequence[Guard],
        takes: Function | None,
        gives: Callable[[Any, Any], Any] | None,
    ) -> Self:
        accept_function(f"{self.name}.{name}", f)
        accept_functions(f"{self.name}.{name}", takes=takes, gives=gives)
        accept_all(f"{self.name}.{name}.guards", guards, Guard)
        return self._add(
            Call(name=name, kind=kind, expose=expose, function=f, guards=tuple(guards), takes=takes, gives=gives)
        )

    def _add(self, step: Step) -> Self:
        self._writable(step.name)
        accept_step(self._body, step)
        self._body = Body(self._body.name, (*self._body.steps, step))
        return self

    def _part(self, name: str, pipeline: Any) -> Body:
        if not isinstance(pipeline, Pipeline):
            why = "must be a Pipeline (a function is added with .stage or .io)"
            raise Refused.one(f"{self.name}.{name}", pipeline, why)
        return pipeline._body

    def _free(self, name: str) -> str:
        return free_name(name, names_at_top(self._body))

    def _writable(self, change: str) -> None:
        if self._compiled is not None:
            raise PipelineFrozen(
                f"pipeline {self.name!r} has been compiled or run and cannot change any more: {change} came too late; "
                "change a copy()"
            )


def _of(body: Body) -> Pipeline:
    pipeline = Pipeline(body.name)
    pipeline._body = body  # pyright: ignore[reportPrivateUsage]
    return pipeline


def _refuse_holes(body: Body, prefix: str) -> None:
    holes = list(open_holes(body, prefix))
    if holes:
        raise Refused(Problem(path, None, f"is an open hole: provide_join({path!r}, pipeline)") for path in holes)
