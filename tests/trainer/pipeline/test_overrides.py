import pytest

from trainer.pipeline import Pipeline, in_range, retry
from trainer.plain.refusal import Refused


def same(x: int) -> int:
    return x


def minus(x: int) -> int:
    return -x


def experiment() -> Pipeline:
    optimizer = Pipeline("optimizer").stage("clip_gradients", same, expose=True).stage("adam_step", same, expose=True)
    update = Pipeline("update").stage("secret", same).join("optimizer", optimizer, expose=True)
    train = Pipeline("train").repeat("updates", update, times=3, flat=True)
    return Pipeline("experiment").join("train", train, expose=True).stage("evaluate", same, expose=True)


def test_a_misspelt_path_is_refused_with_the_nearest_name_and_all_that_is_exposed() -> None:
    with pytest.raises(Refused) as refused:
        experiment().override("train.optimizer.adm_step", minus)
    assert str(refused.value) == (
        "train.optimizer.adm_step = 'test_overrides:minus': there is no such step; "
        "did you mean 'train.optimizer.adam_step'? allowed: "
        "evaluate, train, train.optimizer, train.optimizer.adam_step, train.optimizer.clip_gradients"
    ).replace("test_overrides", minus.__module__)


def test_a_step_that_is_not_exposed_is_refused_as_such() -> None:
    with pytest.raises(Refused, match=r"train\.secret = .*: is not exposed; "):
        experiment().override("train.secret", minus)


def test_a_deep_override_holds_in_every_iteration() -> None:
    assert experiment().override("train.optimizer.adam_step", minus).run(4) == -4


def test_a_whole_stage_can_be_overridden_by_a_function_or_a_pipeline() -> None:
    loaded = Pipeline("loaded").stage("load", lambda x: 100)
    assert experiment().override("train", lambda x: 9).run(4) == 9
    by_pipeline = experiment().override("train", loaded)
    loaded.stage("later", minus)
    found = by_pipeline.overrides()["train"]
    assert isinstance(found, Pipeline) and [step.path for step in found.steps()] == ["load"]
    assert by_pipeline.run(4) == 100


def test_the_last_of_two_overrides_of_one_path_wins() -> None:
    pipeline = experiment().override("evaluate", abs).override("evaluate", minus)
    assert pipeline.overrides() == {"evaluate": minus}
    assert pipeline.run(4) == -4


@pytest.mark.parametrize("order", [("train", "train.optimizer.adam_step"), ("train.optimizer.adam_step", "train")])
def test_an_override_that_would_have_no_effect_is_refused(order: tuple[str, str]) -> None:
    pipeline = experiment().override(order[0], minus)
    with pytest.raises(Refused, match=f"{order[0]!r} is overridden"):
        pipeline.override(order[1], minus)
    assert list(pipeline.overrides()) == [order[0]]


@pytest.mark.parametrize("order", [("train", "train_2"), ("train_2", "train")])
def test_a_name_that_only_begins_alike_is_no_conflict(order: tuple[str, str]) -> None:
    pipeline = Pipeline("p").stage("train", same, expose=True).stage("train_2", same, expose=True)
    pipeline.override(order[0], minus).override(order[1], minus)
    assert sorted(pipeline.overrides()) == ["train", "train_2"]


def test_exposed_paths_are_sorted() -> None:
    pipeline = Pipeline("p").stage("train", same, expose=True).stage("evaluate", same, expose=True)
    assert pipeline.exposed() == ("evaluate", "train")


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(Refused, match="must be callable"):
        experiment().override("evaluate", 3)  # type: ignore[arg-type]


def test_guards_of_a_step_guard_what_overrides_it() -> None:
    tries: list[int] = []

    def fails_once(x: int) -> int:
        tries.append(x)
        return x // (len(tries) - 1)

    pipeline = Pipeline("p").stage("a", same, expose=True, guards=[retry(1)])
    assert pipeline.override("a", fails_once).run(6) == 6
    assert tries == [6, 6]


def test_checks_inside_a_replacement_are_counted_under_its_path() -> None:
    replacement = Pipeline("r").stage("s", same).through(checks=[in_range(0, 9)])
    pipeline = experiment().override("train.optimizer", replacement)
    pipeline.run(1)
    assert pipeline.compile().check_counts()["train.optimizer.after_s.in_range"]["evaluated"] == 3


def test_overrides_travel_with_a_pipeline_that_is_joined() -> None:
    whole = Pipeline("whole").join("inner", experiment().override("train", minus))
    assert whole.overrides() == {"inner.train": minus}
    assert whole.run(2) == -2
