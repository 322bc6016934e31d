from typing import Any

import pytest

from trainer.pipeline import CheckFailed, Pipeline, in_range, step_of
from trainer.plain.refusal import Refused


def plus(number: int) -> Pipeline:
    return Pipeline("plus").stage("add", lambda x: x + number, expose=True)


def with_hole(**options: Any) -> Pipeline:
    train = Pipeline("train").require_join("policy", **options)
    return Pipeline("p").join("train", train)


def test_a_run_with_an_open_hole_is_refused_with_the_paths_of_all_holes() -> None:
    pipeline = with_hole().repeat("again", Pipeline("b").require_join("other"), 2)
    with pytest.raises(Refused) as refused:
        pipeline.run(1)
    assert [problem.path for problem in refused.value.problems] == ["train.policy", "again.other"]
    assert "provide_join('train.policy', pipeline)" in str(refused.value)


def test_a_hole_is_filled_by_a_deep_path_and_its_steps_can_be_overridden() -> None:
    pipeline = with_hole().provide_join("train.policy", plus(2))
    assert pipeline.exposed() == ("train.policy.add",)
    assert pipeline.copy().run(1) == 3
    assert pipeline.override("train.policy.add", lambda x: -x).run(1) == -1


def test_filling_what_is_no_open_hole_is_refused_with_the_holes_and_the_nearest() -> None:
    with pytest.raises(Refused, match=r"no such step; did you mean 'train\.policy'\? allowed: train\.policy"):
        with_hole().provide_join("train.polcy", plus(1))
    with pytest.raises(Refused, match="is not an open hole"):
        with_hole().provide_join("train", plus(1))
    with pytest.raises(Refused, match="is not an open hole; there are no open holes"):
        with_hole().provide_join("train.policy", plus(1)).provide_join("train.policy", plus(2))


def test_exit_checks_hold_whatever_fills_or_overrides_the_hole() -> None:
    pipeline = with_hole(exit_checks=[in_range(0, 10)], expose=True).provide_join("train.policy", plus(2))
    assert pipeline.copy().run(8) == 10
    for bad in (pipeline.copy(), pipeline.copy().override("train.policy", lambda x: 11)):
        with pytest.raises(CheckFailed, match=r"train\.policy: check 'in_range' failed on 11") as error:
            bad.run(9)
        assert step_of(error.value) == "train.policy"
        assert bad.compile().check_counts()["train.policy.in_range"]["failed"] == 1


def test_an_exposed_hole_can_be_overridden_instead_of_filled() -> None:
    pipeline = with_hole(expose=True)
    assert [step.hole for step in pipeline.steps()] == [False, True]
    assert pipeline.override("train.policy", lambda x: 5).run(1) == 5
    assert [step.hole for step in pipeline.steps()] == [False, False]


def test_a_hole_inside_an_overridden_step_does_not_matter() -> None:
    pipeline = Pipeline("p").join("train", Pipeline("train").require_join("policy"), expose=True)
    assert pipeline.override("train", lambda x: 7).run(1) == 7


def test_an_override_with_an_open_hole_is_refused_with_its_path() -> None:
    pipeline = Pipeline("p").stage("a", abs, expose=True)
    with pytest.raises(Refused, match=r"a\.inner"):
        pipeline.override("a", Pipeline("r").require_join("inner"))
