import math
from collections.abc import Callable
from typing import Any

import pytest

from trainer.pipeline import Check, Pipeline, PipelineFrozen, retry, timeout
from trainer.plain.refusal import Refused


def double(x: int) -> int:
    return 2 * x


def inner() -> Pipeline:
    return Pipeline("inner").stage("double", double, expose=True)


@pytest.mark.parametrize("name", ["", "two words", "a.b", "3rd", "a#1", None])
def test_a_name_that_is_not_an_identifier_is_refused_at_once(name: Any) -> None:
    with pytest.raises(Refused, match="identifier"):
        Pipeline("p").stage(name, double)
    with pytest.raises(Refused, match="identifier"):
        Pipeline(name)


def test_a_second_step_of_the_same_name_is_refused_and_names_the_path() -> None:
    with pytest.raises(Refused, match=r"p\.double = 'double': the name is taken"):
        Pipeline("p").stage("double", double).join("double", inner())


@pytest.mark.parametrize("times", [0, -1, 2.0, True, "3"])
def test_a_loop_without_a_positive_whole_bound_is_refused(times: Any) -> None:
    with pytest.raises(Refused, match=r"loop\.times"):
        Pipeline("p").repeat("loop", inner(), times)


@pytest.mark.parametrize("seconds", [0, -1.0, math.inf, math.nan, "1", True])
def test_a_timeout_that_is_not_positive_and_finite_is_refused(seconds: Any) -> None:
    with pytest.raises(Refused, match=r"save\.timeout"):
        Pipeline("p").io("save", double, timeout=seconds)


def test_negative_retries_are_refused() -> None:
    with pytest.raises(Refused, match=r"save\.num_retries = -1"):
        Pipeline("p").io("save", double, num_retries=-1)
    with pytest.raises(Refused):
        retry(0)
    with pytest.raises(Refused):
        timeout(0)


WRONG: dict[str, Callable[[Pipeline], Any]] = {
    "a stage of a pipeline": lambda p: p.stage("x", inner()),  # type: ignore[arg-type]
    "a join of a function": lambda p: p.join("x", double),  # type: ignore[arg-type]
    "a condition that is no function": lambda p: p.branch("x", True, inner()),  # type: ignore[arg-type]
    "a condition of None": lambda p: p.branch("x", None, inner()),  # type: ignore[arg-type]
    "an until that is no function": lambda p: p.repeat("x", inner(), 2, until=3),  # type: ignore[arg-type]
    "a hook that is no function": lambda p: p.hook("x"),  # type: ignore[arg-type]
    "a hook of a membrane that is None": lambda p: p.through(hooks=[None]),  # type: ignore[list-item]
    "a check that is a function": lambda p: p.through(checks=[double]),  # type: ignore[list-item]
    "an exit check that is a function": lambda p: p.require_join("x", [double]),  # type: ignore[list-item]
    "a guard that is a function": lambda p: p.stage("x", double, guards=[double]),  # type: ignore[list-item]
    "two checks of one name": lambda p: p.through(checks=[Check("c", bool), Check("c", bool)]),
    "a parametrised type": lambda p: p.through(list[int]),
    "a text with a brace too many": lambda p: p.logf("{reward"),
    "a flat loop with a step of its own name": lambda p: p.repeat("double", inner(), 2, flat=True),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_argument_that_could_not_run_is_refused_at_once(case: str) -> None:
    pipeline = Pipeline("p")
    with pytest.raises(Refused):
        WRONG[case](pipeline)
    assert pipeline.steps() == ()


def test_a_step_in_a_flat_loop_takes_its_name_from_the_neighbours() -> None:
    flat = Pipeline("p").repeat("updates", inner(), 2, flat=True)
    with pytest.raises(Refused, match=r"p\.double"):
        flat.stage("double", double)


CHANGES: dict[str, Callable[[Pipeline], Any]] = {
    "stage": lambda p: p.stage("x", double),
    "io": lambda p: p.io("x", double),
    "join": lambda p: p.join("x", inner()),
    "require_join": lambda p: p.require_join("x"),
    "provide_join": lambda p: p.provide_join("hole", inner()),
    "through": lambda p: p.through(int),
    "hook": lambda p: p.hook(print),
    "logf": lambda p: p.logf("x"),
    "repeat": lambda p: p.repeat("x", inner(), 2),
    "branch": lambda p: p.branch("x", bool, inner()),
    "map": lambda p: p.map("x", inner()),
    "override": lambda p: p.override("double", double),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_refused_once_a_pipeline_has_run_or_been_compiled(change: str) -> None:
    ran, compiled = inner(), inner()
    ran.run(1)
    compiled.compile()
    before = ran.fingerprint()
    for pipeline in (ran, compiled):
        with pytest.raises(PipelineFrozen, match="has been compiled or run"):
            CHANGES[change](pipeline)
    assert ran.fingerprint() == before


def test_a_copy_of_a_pipeline_that_has_run_can_be_changed() -> None:
    ran = inner()
    ran.run(1)
    assert ran.copy().stage("again", double).run(1) == 4
    assert ran.run(1) == 2


def test_a_pipeline_that_could_not_be_compiled_can_still_be_mended() -> None:
    pipeline = Pipeline("p").require_join("policy")
    with pytest.raises(Refused):
        pipeline.run(1)
    assert pipeline.provide_join("policy", inner()).run(1) == 2


def test_building_methods_return_the_pipeline_itself() -> None:
    pipeline = Pipeline("p")
    assert pipeline.stage("a", double) is pipeline
    assert pipeline.through(int).hook(print).logf("x").io("b", double) is pipeline
    assert repr(pipeline) == "Pipeline('p', 5 steps)"


def test_a_composed_pipeline_keeps_the_part_as_it_was_when_it_was_joined() -> None:
    part = inner()
    whole = Pipeline("whole").join("part", part)
    part.stage("later", double)
    whole.override("part.double", lambda x: -x)
    assert (whole.run(3), part.run(3)) == (-3, 12)


def test_a_pipeline_can_be_joined_into_itself_because_it_is_copied() -> None:
    twice = inner()
    twice.join("again", twice)
    assert [step.path for step in twice.steps()] == ["double", "again", "again.double"]
    assert twice.run(1) == 4


def test_steps_without_a_name_get_one_that_tells_where_they_stand() -> None:
    def shout(value: Any, info: Any) -> None: ...

    pipeline = Pipeline("p").through(int).stage("a", double).through(int).through(int)
    pipeline.hook(shout).hook(shout).hook(lambda value, info: None).logf("x").logf("y")
    paths = [step.path for step in pipeline.steps()]
    assert paths == ["at_start", "a", "after_a", "after_after_a", "shout", "shout_2", "hook", "logf", "logf_2"]
