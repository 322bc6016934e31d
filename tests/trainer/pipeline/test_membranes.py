import logging
import math
import pickle
from typing import Any

import pytest

from trainer.pipeline import Check, CheckFailed, Pipeline, step_of
from trainer.plain.refusal import Refused


def checked(check: Check, expected: Any = None) -> Pipeline:
    return Pipeline("p").stage("make", lambda x: x).through(expected, checks=[check])


def fired(check: Check, values: list[Any]) -> list[bool]:
    """For each value in turn, whether the check failed the run on it."""
    compiled = checked(check).compile()
    found: list[bool] = []
    for value in values:
        try:
            compiled(value)
            found.append(False)
        except CheckFailed:
            found.append(True)
    return found


def counts(evaluated: int, violations: int, warned: int, failed: int) -> dict[str, int]:
    return {"evaluated": evaluated, "violations": violations, "warned": warned, "failed": failed}


def test_a_wrong_type_is_an_error_with_the_path_the_types_and_the_value() -> None:
    train = Pipeline("train").repeat("updates", Pipeline("u").stage("rollout", str).through(int), 2)
    pipeline = Pipeline("p").join("train", train)
    with pytest.raises(TypeError, match=r"train\.updates#1\.after_rollout: expected int, got str: '3'") as error:
        pipeline.run(3)
    assert step_of(error.value) == "train.updates#1.after_rollout"


def test_a_wrong_type_is_found_before_any_check_is_made() -> None:
    pipeline = checked(Check("c", lambda x: False), expected=int)
    with pytest.raises(TypeError, match="expected int"):
        pipeline.run("x")
    assert pipeline.compile().check_counts()["after_make.c"] == counts(0, 0, 0, 0)


def test_a_membrane_takes_unions_and_none_for_any_type() -> None:
    assert Pipeline("p").through(int | str).through(None).through((int, str)).run("x") == "x"
    with pytest.raises(TypeError, match=r"expected int \| str, got float"):
        Pipeline("p").through(int | str).run(1.0)


def test_a_failed_check_tells_path_name_and_value_and_survives_pickling() -> None:
    with pytest.raises(CheckFailed) as error:
        checked(Check("is_small", lambda x: len(x) < 3)).run({"a": 1, "b": 2, "c": 3})
    for found in (error.value, pickle.loads(pickle.dumps(error.value))):
        assert (found.path, found.check) == ("after_make", "is_small")
        assert str(found) == "after_make: check 'is_small' failed on dict with 3 keys: a, b, c"


def test_a_warning_is_logged_and_counted_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    compiled = checked(Check("positive", lambda x: x > 0, level="WARN")).compile()
    assert [compiled(x) for x in (1, -2, 3)] == [1, -2, 3]
    assert compiled.check_counts() == {"after_make.positive": counts(3, 1, 1, 0)}
    assert caplog.messages == ["after_make: check 'positive' failed on -2"]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_check_that_raises_is_a_violation_that_says_why(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CheckFailed, match=r"could not be evaluated: ZeroDivisionError") as error:
        checked(Check("ratio", lambda x: 1 / x)).run(0)
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert checked(Check("ratio", lambda x: 1 / x, level="WARN")).run(0) == 0
    assert "could not be evaluated" in caplog.text


@pytest.mark.parametrize(("every", "turns"), [(1, [0, 1, 2, 3, 4, 5, 6]), (2, [0, 2, 4, 6]), (3, [0, 3, 6])])
def test_a_sampled_check_evaluates_the_first_value_and_each_kth_after_it(every: int, turns: list[int]) -> None:
    seen: list[int] = []
    compiled = checked(Check("c", lambda x: seen.append(x) or True, sample_every=every)).compile()
    for x in range(7):
        compiled(x)
    assert seen == turns
    assert compiled.check_counts()["after_make.c"] == counts(len(turns), 0, 0, 0)


GOOD_OR_BAD = [0, 1, 0, 1, 1, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("n_of_m", "expected"),
    [
        ((1, 1), [0, 1, 0, 1, 1, 0, 0, 1, 1, 1]),
        ((2, 2), [0, 0, 0, 0, 1, 0, 0, 0, 1, 1]),
        ((2, 3), [0, 0, 0, 1, 1, 0, 0, 0, 1, 1]),
        ((3, 4), [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        ((3, 5), [0, 0, 0, 0, 1, 0, 0, 1, 1, 1]),
        ((4, 4), [0] * 10),
    ],
)
def test_n_of_m_fires_on_a_violation_that_makes_n_of_the_last_m(n_of_m: tuple[int, int], expected: list[int]) -> None:
    check = Check("good", lambda bad: not bad, n_of_m=n_of_m)
    assert fired(check, GOOD_OR_BAD) == [bool(each) for each in expected]


def test_n_of_m_counts_evaluations_and_not_the_values_that_are_skipped() -> None:
    check = Check("good", lambda bad: not bad, sample_every=2, n_of_m=(2, 2))
    assert fired(check, [1, 0, 0, 1, 1, 0, 1, 0]) == [False, False, False, False, False, False, True, False]


def test_violations_are_counted_even_when_they_do_not_fire() -> None:
    compiled = checked(Check("good", lambda bad: not bad, level="WARN", n_of_m=(2, 3))).compile()
    for bad in GOOD_OR_BAD:
        compiled(bad)
    assert compiled.check_counts()["after_make.good"] == counts(10, 6, 4, 0)


def test_the_counts_of_a_check_are_of_one_pipeline_only() -> None:
    check = Check("positive", lambda x: x > 0)
    one, other = checked(check), checked(check)
    one.run(1)
    assert other.compile().check_counts()["after_make.positive"]["evaluated"] == 0


def test_the_counts_of_a_check_in_a_loop_are_of_all_its_iterations() -> None:
    body = Pipeline("b").stage("s", lambda x: x + 1).through(checks=[Check("c", bool)])
    pipeline = Pipeline("p").repeat("loop", body, 4)
    pipeline.run(0)
    assert pipeline.compile().check_counts() == {"loop.after_s.c": counts(4, 0, 0, 0)}


@pytest.mark.parametrize(
    "options",
    [
        {"level": "ERROR"},
        {"sample_every": 0},
        {"sample_every": -1},
        {"n_of_m": (0, 3)},
        {"n_of_m": (4, 3)},
        {"name": ""},
        {"predicate": math.pi},
    ],
)
def test_a_check_that_could_never_work_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="check "):
        Check(**{"name": "c", "predicate": bool, **options})
