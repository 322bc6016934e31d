import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from trainer.pipeline import Check, Pipeline, described, in_range, label, master_only, no_nan, retry, source_digest


def one(x: int) -> int:
    return x + 1


def other(x: int) -> int:
    return x + 2


def rank() -> int:
    return 0


def add(number: int) -> Callable[[int], int]:
    return lambda x: x + number


def watch(value: Any, info: Any) -> None: ...


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Clip:
    low: float
    high: float = 1.0

    def __call__(self, x: float) -> float:
        return min(max(x, self.low), self.high)

    def method(self, x: float) -> float:
        return x


class Scale(BaseModel):
    factor: float

    def __call__(self, x: float) -> float:
        return x * self.factor


def inner(f: Callable[[int], int] = one) -> Pipeline:
    return Pipeline("inner").stage("s", f, expose=True)


BUILT: dict[str, Callable[[], Pipeline]] = {
    "stage": lambda: Pipeline("p").stage("s", one),
    "another pipeline name": lambda: Pipeline("q").stage("s", one),
    "another step name": lambda: Pipeline("p").stage("t", one),
    "another function": lambda: Pipeline("p").stage("s", other),
    "another kind": lambda: Pipeline("p").io("s", one),
    "exposed": lambda: Pipeline("p").stage("s", one, expose=True),
    "overridden": lambda: Pipeline("p").stage("s", one, expose=True).override("s", other),
    "overridden by itself": lambda: Pipeline("p").stage("s", one, expose=True).override("s", one),
    "overridden by a pipeline": lambda: Pipeline("p").stage("s", one, expose=True).override("s", inner()),
    "guarded": lambda: Pipeline("p").stage("s", one, guards=[retry(2)]),
    "guarded longer": lambda: Pipeline("p").stage("s", one, guards=[retry(3)]),
    "guarded for some errors": lambda: Pipeline("p").stage("s", one, guards=[retry(2, on=OSError)]),
    "guarded by rank": lambda: Pipeline("p").stage("s", one, guards=[master_only(rank)]),
    "decorated": lambda: Pipeline("p").stage("s", retry(2)(one)),
    "timeout": lambda: Pipeline("p").io("s", one, timeout=2),
    "longer timeout": lambda: Pipeline("p").io("s", one, timeout=3),
    "twice": lambda: Pipeline("p").stage("s", one).stage("t", one),
    "joined": lambda: Pipeline("p").join("s", inner()),
    "hole": lambda: Pipeline("p").require_join("s"),
    "filled": lambda: Pipeline("p").require_join("s").provide_join("s", inner()),
    "hole with a check": lambda: Pipeline("p").require_join("s", [no_nan()]),
    "repeated": lambda: Pipeline("p").repeat("s", inner(), 2),
    "repeated more": lambda: Pipeline("p").repeat("s", inner(), 3),
    "repeated until": lambda: Pipeline("p").repeat("s", inner(), 2, until=bool),
    "repeated and saved": lambda: Pipeline("p").repeat("s", inner(), 2, save=print),
    "repeated deep change": lambda: Pipeline("p").repeat("s", inner(other), 2),
    "repeated flat": lambda: Pipeline("p").repeat("r", inner(), 2, flat=True),
    "branched": lambda: Pipeline("p").branch("s", bool, inner(), inner(other)),
    "branched the other way": lambda: Pipeline("p").branch("s", bool, inner(other), inner()),
    "branched half": lambda: Pipeline("p").branch("s", bool, inner()),
    "mapped": lambda: Pipeline("p").map("s", inner()),
    "membrane": lambda: Pipeline("p").through(int),
    "membrane of a union": lambda: Pipeline("p").through(int | str),
    "membrane of another union": lambda: Pipeline("p").through(int | float),
    "check": lambda: Pipeline("p").through(checks=[in_range(0, 1)]),
    "check with other bounds": lambda: Pipeline("p").through(checks=[in_range(0, 2)]),
    "check as warning": lambda: Pipeline("p").through(checks=[in_range(0, 1, level="WARN")]),
    "check n of m": lambda: Pipeline("p").through(checks=[in_range(0, 1, n_of_m=(1, 2))]),
    "own check": lambda: Pipeline("p").through(checks=[Check("in_range", bool)]),
    "membrane with a hook": lambda: Pipeline("p").through(hooks=[watch]),
    "hook": lambda: Pipeline("p").hook(watch),
    "log": lambda: Pipeline("p").logf("x {}"),
    "another log": lambda: Pipeline("p").logf("y {}"),
}


def test_every_change_of_a_pipeline_changes_its_fingerprint() -> None:
    prints = {name: build().fingerprint() for name, build in BUILT.items()}
    assert all(each.startswith("sha256:") for each in prints.values())
    assert len(set(prints.values())) == len(prints)


def test_equal_constructions_have_equal_fingerprints_before_and_after_a_run() -> None:
    for build in BUILT.values():
        assert build().fingerprint() == build().fingerprint()
    pipeline = inner()
    before = pipeline.fingerprint()
    pipeline.run(1)
    assert pipeline.fingerprint() == before == inner().copy().fingerprint()


DIFFERENT: list[tuple[Any, Any]] = [
    (add(1), add(2)),
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x: [y for y in x if y], lambda x: [y for y in x if not y]),
    (lambda x: x.a, lambda x: x.b),
    (lambda x, n=1: x, lambda x, n=2: x),
    (lambda x, *, n=1: x, lambda x, *, n=2: x),
    (functools.partial(pow, 2), functools.partial(pow, 3)),
    (functools.partial(round, ndigits=1), functools.partial(round, ndigits=2)),
    (functools.partial(abs), abs),
    (Clip(0.0), Clip(0.1)),
    (Clip(0.0).method, Clip(0.1).method),
    (Scale(factor=1), Scale(factor=2)),
    (add(1), add(True)),
    (add(1), add(1.0)),
    ({1, 2}, {1, 3}),
    ({"a": 1}, {"a": 2}),
    (Color.RED, Color.BLUE),
    (b"a", b"b"),
    (Path("a"), "a"),
    (len, abs),
    (int, float),
    ([1].append, [2].append),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_what_makes_two_callables_differ_makes_their_descriptions_differ(left: Any, right: Any) -> None:
    assert repr(described(left)) != repr(described(right))
    assert repr(described(left)) == repr(described(left))


def test_a_function_that_closes_over_itself_is_described_and_an_unset_name_too() -> None:
    def down(x: int) -> int:
        return down(x - 1) if x else 0

    def early() -> Any:
        def uses() -> Any:
            return later

        found = described(uses)
        later = 1
        return found

    assert described(down)["closure"] == {"down": "itself"}
    assert early()["closure"] == {"later": "empty"}


def test_a_cached_function_is_described_with_what_it_wraps() -> None:
    assert described(functools.cache(one))["wraps"] == described(one)


def test_labels_name_functions_classes_and_objects() -> None:
    here = __name__
    assert label(one) == f"{here}:one"
    assert label(Clip) == label(Clip(0.0)) == f"{here}:Clip"
    assert label(len) == "builtins:len"
    assert label(functools.partial(one)) == f"partial({here}:one)"


def test_the_source_digest_follows_the_source_and_is_none_for_c_code() -> None:
    assert source_digest(one) != source_digest(other)
    assert source_digest(Clip(0.0).method) == source_digest(Clip.method)
    assert source_digest(len) is None
    scope: dict[str, Any] = {}
    exec("def f(x): return x + 1\ndef g(x): return x + 2\nh = f\nclass C: m = g", scope)
    assert source_digest(scope["f"]) == source_digest(scope["h"]) != source_digest(scope["g"])
    assert source_digest(scope["C"]().m) == source_digest(scope["g"])


PROGRAM = """
from trainer.pipeline import Pipeline, in_range, retry
def make(names):
    return lambda x: x in names or x in {"one", "two", "three", "four"}
inner = Pipeline("inner").stage("s", make({"a", "b", "c", "d"}), expose=True).through(int, [in_range(0, 1)])
p = Pipeline("p").repeat("r", inner, 2, until=make(frozenset("xyz"))).io("w", print, num_retries=2, guards=[retry(1)])
p.override("r.s", make({"k": object()}))
print(p.fingerprint())
"""


def test_two_processes_find_the_same_fingerprint(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    root = Path(__file__).parents[3]
    prints = [
        subprocess.run(
            [sys.executable, str(script)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert prints[0] == prints[1] and prints[0].startswith("sha256:")
