"""Random pipelines held against an independent model of their paths and a plain interpreter of their meaning."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainer.pipeline import Pipeline, step_of
from trainer.plain.refusal import Refused


@dataclass(frozen=True)
class Node:
    kind: str
    number: int = 0
    expose: bool = False
    inside: tuple["Node", ...] = ()
    other: tuple["Node", ...] | None = None


def bodies(depth: int = 3) -> st.SearchStrategy[tuple[Node, ...]]:
    number = st.integers(1, 3)
    kinds: list[st.SearchStrategy[Node]] = [
        st.builds(Node, st.sampled_from(["stage", "io"]), st.integers(0, 50), st.booleans())
    ]
    if depth:
        inner = bodies(depth - 1)
        kinds += [
            st.builds(Node, st.sampled_from(["join", "hole"]), st.just(0), st.booleans(), inner),
            st.builds(Node, st.sampled_from(["repeat", "flat", "map"]), number, st.just(False), inner),
            st.builds(Node, st.just("branch"), number, st.just(False), inner, st.none() | inner),
        ]
    return st.lists(st.one_of(kinds), max_size=3).map(tuple)


def names(nodes: tuple[Node, ...], stem: str = "s") -> list[str]:
    return [f"{stem}{index}" for index in range(len(nodes))]


def stem_of(node: Node, name: str) -> str:
    return f"{name}_" if node.kind == "flat" else "s"


def arms(node: Node, path: str) -> Iterator[tuple[tuple[Node, ...], str]]:
    if node.kind == "branch":
        yield node.inside, f"{path}.then."
        if node.other is not None:
            yield node.other, f"{path}.otherwise."
    elif node.kind == "flat":
        yield node.inside, path[: path.rfind(".") + 1]
    elif node.inside or node.kind in ("join", "hole", "repeat", "map"):
        yield node.inside, f"{path}."


def declared(nodes: tuple[Node, ...], prefix: str = "", stem: str = "s") -> Iterator[tuple[str, Node]]:
    for name, node in zip(names(nodes, stem), nodes, strict=True):
        if node.kind == "map":
            yield f"{prefix}{name}_split", Node("stage")
        yield f"{prefix}{name}", node
        for inside, inner in arms(node, f"{prefix}{name}"):
            yield from declared(inside, inner, stem_of(node, name))
        if node.kind == "map":
            yield f"{prefix}{name}_sum", Node("stage")


@dataclass
class Tick:
    """Counts the calls of all functions, and fails the n-th."""

    fail_at: int | None = None
    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            raise ZeroDivisionError("the chosen call")


def affine(number: int, tick: Callable[[], None]) -> Callable[[int], int]:
    def apply(x: int) -> int:
        tick()
        return (3 * x + number) % 1009

    return apply


def quiet() -> None: ...


def odd_by(number: int) -> Callable[[int], bool]:
    return lambda x: x % (number + 1) == 0


def split(x: int) -> list[int]:
    return [x, x + 1]


def build(nodes: tuple[Node, ...], tick: Callable[[], None] = quiet, name: str = "root", stem: str = "s") -> Pipeline:
    pipeline = Pipeline(name)
    for step, node in zip(names(nodes, stem), nodes, strict=True):
        add(pipeline, step, node, tick)
    return pipeline


def add(pipeline: Pipeline, name: str, node: Node, tick: Callable[[], None]) -> None:
    inside = build(node.inside, tick, "inner", stem_of(node, name))
    if node.kind == "stage":
        pipeline.stage(name, affine(node.number, tick), expose=node.expose)
    elif node.kind == "io":
        pipeline.io(name, affine(node.number, tick), expose=node.expose)
    elif node.kind == "join":
        pipeline.join(name, inside, expose=node.expose)
    elif node.kind == "hole":
        pipeline.require_join(name, expose=node.expose)
    elif node.kind in ("repeat", "flat"):
        pipeline.repeat(name, inside, node.number + 1, until=odd_by(node.number), flat=node.kind == "flat")
    elif node.kind == "branch":
        other = None if node.other is None else build(node.other, tick, "inner")
        pipeline.branch(name, odd_by(node.number), inside, other)
    else:
        pipeline.stage(f"{name}_split", split).map(name, inside).stage(f"{name}_sum", sum)


def filled(nodes: tuple[Node, ...], tick: Callable[[], None] = quiet) -> Pipeline:
    """The whole pipeline; its holes are filled from the outside, by their deep paths."""
    pipeline = build(nodes, tick)
    for path, node in declared(nodes):
        if node.kind == "hole":
            pipeline.provide_join(path, build(node.inside, tick, "inner"))
    return pipeline


@dataclass
class Interpreter:
    """Runs the model directly: the meaning of a pipeline, written down a second time."""

    overrides: dict[str, Callable[[int], int]] = field(default_factory=dict)
    tick: Callable[[], None] = quiet
    trace: list[str] = field(default_factory=list)

    def run(self, nodes: tuple[Node, ...], x: int, prefix: str = "", at: str = "", stem: str = "s") -> int:
        for name, node in zip(names(nodes, stem), nodes, strict=True):
            x = self.step(node, name, x, prefix, at)
        return x

    def step(self, node: Node, name: str, x: int, prefix: str, at: str) -> int:
        path, here = f"{prefix}{name}", f"{at}{name}"
        if path in self.overrides:
            return self.overrides[path](x)
        if node.kind in ("stage", "io"):
            self.trace.append(here)
            return affine(node.number, self.tick)(x)
        if node.kind == "branch":
            arm = "then" if odd_by(node.number)(x) else "otherwise"
            inside = node.inside if arm == "then" else node.other or ()
            return self.run(inside, x, f"{path}.{arm}.", f"{here}.{arm}.")
        if node.kind in ("join", "hole"):
            return self.run(node.inside, x, f"{path}.", f"{here}.")
        if node.kind == "map":
            return sum(self.run(node.inside, x + n, f"{path}.", f"{here}#{n + 1}.") for n in range(2))
        inner = prefix if node.kind == "flat" else f"{path}."
        for number in range(1, node.number + 2):
            x = self.run(node.inside, x, inner, f"{here}#{number}.", stem_of(node, name))
            if odd_by(node.number)(x):
                break
        return x


def other_function(x: int) -> int:
    return (7 * x + 11) % 1013


def flags(pipeline: Pipeline) -> dict[str, Any]:
    return {step.path: step for step in pipeline.steps()}


SOME = settings(max_examples=60, deadline=None)


@SOME
@given(bodies(), st.integers(0, 100))
def test_a_compiled_pipeline_gives_what_a_plain_interpreter_gives(nodes: tuple[Node, ...], x: int) -> None:
    compiled = filled(nodes).compile()
    expected = Interpreter().run(nodes, x)
    assert [compiled(x), compiled(x)] == [expected, expected]


@SOME
@given(bodies())
def test_steps_lists_every_declared_path_once_and_in_order(nodes: tuple[Node, ...]) -> None:
    pipeline = filled(nodes)
    assert [step.path for step in pipeline.steps()] == [path for path, _ in declared(nodes)]
    assert list(pipeline.exposed()) == sorted(path for path, node in declared(nodes) if node.expose)


@SOME
@given(bodies(), st.integers(0, 100))
def test_overriding_an_exposed_path_changes_that_entry_and_nothing_else(nodes: tuple[Node, ...], x: int) -> None:
    plain = filled(nodes)
    for path in plain.exposed():
        pipeline = plain.copy().override(path, other_function)
        assert pipeline.overrides() == {path: other_function}
        before, after = flags(plain), flags(pipeline)
        assert [each for each in before if before[each] != after[each]] == [path]
        assert pipeline.exposed() == plain.exposed()
        assert pipeline.fingerprint() != plain.fingerprint()
        assert pipeline.run(x) == Interpreter({path: other_function}).run(nodes, x)
    assert plain.overrides() == {}


@SOME
@given(bodies())
def test_a_path_that_is_not_exposed_or_misspelt_is_refused_with_the_list(nodes: tuple[Node, ...]) -> None:
    pipeline = filled(nodes)
    print_before, exposed = pipeline.fingerprint(), pipeline.exposed()
    closed = [path for path, node in declared(nodes) if not node.expose]
    misspelt = [f"{path}x" for path, _ in declared(nodes)]
    for path in [*closed, *misspelt, "", "root"]:
        with pytest.raises(Refused) as refused:
            pipeline.override(path, other_function)
        assert refused.value.problems[0].path == path
        assert str(refused.value).endswith(f"allowed: {', '.join(exposed)}" if exposed else "nothing is exposed here")
    assert pipeline.fingerprint() == print_before


@SOME
@given(bodies(), st.integers(0, 100), st.data())
def test_an_error_carries_the_full_path_with_its_iterations(
    nodes: tuple[Node, ...], x: int, data: st.DataObject
) -> None:
    counting = Interpreter()
    counting.run(nodes, x)
    assume(counting.trace)
    chosen = data.draw(st.integers(1, len(counting.trace)))
    with pytest.raises(ZeroDivisionError) as error:
        filled(nodes, Tick(chosen)).run(x)
    assert step_of(error.value) == counting.trace[chosen - 1]
    assert len(error.value.__notes__) == 1


@SOME
@given(bodies(2), bodies(2))
def test_fingerprints_are_equal_exactly_for_equal_constructions(one: tuple[Node, ...], other: tuple[Node, ...]) -> None:
    assert filled(one).fingerprint() == filled(one).fingerprint()
    assert (filled(one).fingerprint() == filled(other).fingerprint()) == (one == other)


@SOME
@given(bodies(2))
def test_composing_shares_nothing_in_either_direction(nodes: tuple[Node, ...]) -> None:
    part = filled(nodes)
    for compose in (
        lambda: Pipeline("whole").join("part", part),
        lambda: Pipeline("whole").repeat("part", part, 2),
        lambda: Pipeline("whole").map("part", part),
        lambda: Pipeline("whole").branch("part", bool, part, part),
        lambda: Pipeline("whole").require_join("part").provide_join("part", part),
    ):
        whole, free = compose(), part.copy()
        part_before, whole_before = part.fingerprint(), whole.fingerprint()
        for path in whole.exposed():
            whole.copy().override(path, other_function)
            assert (part.fingerprint(), whole.fingerprint()) == (part_before, whole_before)
        for path in free.exposed()[:1]:
            free.override(path, other_function)
        free.stage("later", abs)
        assert (part.fingerprint(), whole.fingerprint()) == (part_before, whole_before)
