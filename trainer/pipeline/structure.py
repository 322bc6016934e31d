"""Walks a pipeline's structure and rebuilds it with one step changed; it never changes a structure in place."""

from collections.abc import Callable, Iterator, Mapping

from trainer.pipeline.steps import Body, Function, Join, Repeat, Step
from trainer.plain.refusal import Refused, nearest


def walk(body: Body, prefix: str = "") -> Iterator[tuple[str, Step]]:
    """Every declared step with its path, each before the steps inside it; replacements are not entered."""
    for step in body.steps:
        path = f"{prefix}{step.name}"
        yield path, step
        for field, child in step.children():
            yield from walk(child, step.inside(path, field))


def rebuilt(body: Body, path: str, change: Callable[[Step], Step], prefix: str = "") -> Body:
    """The same structure with the step at `path` changed."""
    steps: list[Step] = []
    for step in body.steps:
        here = f"{prefix}{step.name}"
        if here == path:
            steps.append(change(step))
            continue
        for field, child in step.children():
            step = step.with_child(field, rebuilt(child, path, change, step.inside(here, field)))  # noqa: PLW2901
        steps.append(step)
    return Body(body.name, tuple(steps))


def names_at_top(body: Body) -> set[str]:
    """The names that a further step of `body` may not have, those of the steps in flat loops included."""
    names: set[str] = set()
    for step in body.steps:
        names |= names_of(step)
    return names


def names_of(step: Step) -> set[str]:
    """The names that one step takes in the pipeline that holds it."""
    inside = names_at_top(step.body) if isinstance(step, Repeat) and step.flat else set[str]()
    return {step.name} | inside


def is_hole(step: Step) -> bool:
    """Whether nothing fills this step."""
    return isinstance(step, Join) and step.body is None and step.replacement is None


def open_holes(body: Body, prefix: str = "") -> Iterator[str]:
    """The paths of the holes that a run would fall into; what is declared inside an overridden step does not run."""
    for step in body.steps:
        path = f"{prefix}{step.name}"
        if step.replacement is None:
            if is_hole(step):
                yield path
            for field, child in step.children():
                yield from open_holes(child, step.inside(path, field))


def exposed_at(body: Body, path: str, given: str) -> str:
    """The whole path of the exposed step that `path`, or its last part, means.

    Refused for the override `given` unless it is exposed and no override is above or below it.
    """
    steps = dict(walk(body))
    exposed = [each for each, step in steps.items() if step.expose]
    ending = [each for each in exposed if each.rpartition(".")[2] == path]
    if path not in steps and ending:
        if len(ending) > 1:
            raise Refused.one(path, given, f"several exposed steps end with it; give one whole: {', '.join(ending)}")
        path = ending[0]
    if path not in exposed:
        there = any(path in (each, each.rpartition(".")[2]) for each in steps)
        why = "is not exposed" if there else "there is no such step"
        raise Refused.one(path, given, f"{why}; {_choice(path, exposed, 'nothing is exposed here')}")
    for other, step in steps.items():
        if step.replacement is not None and (path.startswith(f"{other}.") or other.startswith(f"{path}.")):
            raise Refused.one(path, given, f"{other!r} is overridden, and one of the two would have no effect")
    return path


def running(body: Body) -> Iterator[tuple[str, Function | Body | None]]:
    """What runs in each exposed step, by path: its replacement, else what was declared."""
    steps = dict(walk(body))
    for path, step in steps.items():
        if step.expose and not _hidden(steps, path):
            yield path, step.replacement or getattr(step, "function", None) or getattr(step, "body", None)


def running_at(body: Body, path: str, given: str) -> None:
    """Refuse `path` for the observer `given` unless a step runs there."""
    steps = dict(walk(body))
    hidden = _hidden(steps, path)
    if path not in steps or hidden:
        why = f"{hidden[0]!r} is overridden, and nothing runs here" if hidden else "there is no such step"
        raise Refused.one(path, given, f"{why}; {nearest(path, steps)}")


def _hidden(steps: Mapping[str, Step], path: str) -> list[str]:
    """The overridden steps around a path."""
    return [other for other, step in steps.items() if step.replacement is not None and path.startswith(f"{other}.")]


def hole_at(body: Body, path: str, given: str) -> None:
    """Refuse `path` for the pipeline `given` unless it is a hole that nothing fills yet."""
    steps = dict(walk(body))
    holes = [each for each, step in steps.items() if isinstance(step, Join) and step.body is None]
    if path not in holes:
        why = "is not an open hole" if path in steps else "there is no such step"
        raise Refused.one(path, given, f"{why}; {_choice(path, holes, 'there are no open holes')}")


def _choice(path: str, allowed: list[str], none: str) -> str:
    return nearest(path, allowed) if allowed else none
