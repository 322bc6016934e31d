import json
from collections.abc import Callable
from typing import Any

import pytest

from trainer.pipeline import HookInfo, Intervention, Pipeline, step_of
from trainer.plain.refusal import Refused

Seen = list[tuple[Any, str, int | None]]


def recorder(seen: Seen) -> Callable[[Any, HookInfo], str]:
    def record(value: Any, info: HookInfo) -> str:
        seen.append((value, info.path, info.iteration))
        return "ignored"

    return record


def add_one(x: int) -> int:
    return x + 1


def asking(intervention: Intervention, at: int) -> Callable[[Any, HookInfo], None]:
    def ask(value: Any, info: HookInfo) -> None:
        if value == at:
            info.request(intervention, f"value is {at}")

    return ask


def body(hook: Any) -> Pipeline:
    return Pipeline("body").stage("add_one", add_one).hook(hook, name="watch").stage("rest", lambda x: x)


def test_a_hook_sees_the_value_and_its_place_and_what_it_returns_is_ignored() -> None:
    seen: Seen = []
    pipeline = Pipeline("p").hook(recorder(seen), name="before").repeat("loop", body(recorder(seen)), 2)
    assert pipeline.run(0) == 2
    assert seen == [(0, "before", None), (1, "loop#1.watch", 1), (2, "loop#2.watch", 2)]


def test_a_place_that_a_hook_keeps_does_not_move_on_with_the_loop() -> None:
    kept: list[HookInfo] = []
    Pipeline("p").repeat("loop", body(lambda value, info: kept.append(info)), 3).run(0)
    assert [info.path for info in kept] == ["loop#1.watch", "loop#2.watch", "loop#3.watch"]


def test_hooks_of_a_membrane_come_after_its_checks_and_count_by_name() -> None:
    seen: Seen = []
    hook = recorder(seen)
    pipeline = Pipeline("p").stage("a", add_one).through(int, hooks=[hook, hook])
    pipeline.run(0)
    assert seen == [(1, "after_a", None)] * 2
    assert pipeline.compile().hook_counts() == {
        "after_a.record": {"called": 1, "failed": 0},
        "after_a.record_2": {"called": 1, "failed": 0},
    }


def test_a_failing_hook_never_fails_the_run_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def fails(value: Any, info: HookInfo) -> None:
        raise RuntimeError("hook trouble")

    pipeline = Pipeline("p").repeat("loop", body(fails), 5)
    assert pipeline.run(0) == 5
    assert pipeline.compile().hook_counts() == {"loop.watch": {"called": 5, "failed": 5}}
    assert len(caplog.records) == 1
    assert "loop#1.watch" in caplog.messages[0] and "hook trouble" in caplog.text


def test_stopping_early_ends_the_loop_after_the_iteration_that_asked() -> None:
    pipeline = Pipeline("p").repeat("loop", body(asking(Intervention.STOP_EARLY, 3)), 10).stage("after", add_one)
    assert pipeline.run(0) == 4
    (request,) = pipeline.compile().drain_requests()
    assert request.plain() == {
        "intervention": "stop_early",
        "reason": "value is 3",
        "path": "loop#3.watch",
        "iteration": 3,
        "honoured_by": ["loop#3"],
    }
    assert json.loads(json.dumps(request.plain())) == request.plain()
    assert pipeline.compile().drain_requests() == ()


def test_stopping_early_ends_every_loop_around_the_hook_but_no_later_one() -> None:
    epochs = Pipeline("update").repeat("epochs", body(asking(Intervention.STOP_EARLY, 5)), 3)
    epochs.stage("finish", lambda x: x * 10)
    later = Pipeline("later").stage("add", add_one)
    pipeline = Pipeline("p").repeat("updates", epochs, 9).repeat("later", later, 4)
    assert pipeline.run(3) == 54
    assert pipeline.compile().drain_requests()[0].honoured_by == ["updates#1.epochs#2", "updates#1"]


def test_a_map_is_never_cut_short_but_the_loop_around_it_is() -> None:
    each = Pipeline("each").hook(asking(Intervention.STOP_EARLY, 1), name="watch").stage("add", add_one)
    pipeline = Pipeline("p").repeat("loop", Pipeline("b").map("each", each), 5)
    assert pipeline.run([0, 1, 2]) == [1, 2, 3]
    requests = pipeline.compile().drain_requests()
    assert [request.honoured_by for request in requests] == [["loop#1"]]


def test_a_checkpoint_is_saved_once_after_the_iteration_by_the_innermost_loop_that_can() -> None:
    outer_saved: list[int] = []
    inner_saved: list[int] = []
    hook = asking(Intervention.SAVE_CHECKPOINT, 2)
    inner = Pipeline("inner").repeat("plain", body(hook).hook(hook, name="twice"), 1)
    middle = Pipeline("middle").repeat("saving", inner, 3, save=inner_saved.append)
    pipeline = Pipeline("p").repeat("outer", middle, 1, save=outer_saved.append)
    assert pipeline.run(0) == 3
    assert (inner_saved, outer_saved) == ([2], [])
    requests = pipeline.compile().drain_requests()
    assert [request.honoured_by for request in requests] == [["outer#1.saving#2"]] * 2


def test_a_checkpoint_is_saved_even_in_the_iteration_that_ends_the_loop() -> None:
    saved: list[int] = []
    loop = body(asking(Intervention.SAVE_CHECKPOINT, 2))
    Pipeline("p").repeat("loop", loop, 5, until=lambda x: x == 2, save=saved.append).run(0)
    assert saved == [2]


def test_a_request_that_no_loop_honours_waits_for_whoever_drives_the_pipeline() -> None:
    compiled = body(asking(Intervention.STOP_EARLY, 2)).compile()
    stopped_at = next(x for x in range(10) if compiled(x) and compiled.drain_requests())
    assert stopped_at == 1


def test_a_request_of_a_run_that_failed_does_not_stop_the_next_one() -> None:
    loop = body(asking(Intervention.STOP_EARLY, 1)).stage("divide", lambda x: x if x != 1 else 1 // 0)
    pipeline = Pipeline("p").repeat("loop", loop, 3)
    with pytest.raises(ZeroDivisionError):
        pipeline.run(0)
    assert pipeline.run(5) == 8
    assert [request.honoured_by for request in pipeline.compile().drain_requests()] == [[]]


def test_a_save_that_fails_is_an_error_of_its_iteration() -> None:
    def full(value: Any) -> None:
        raise OSError("disk full")

    pipeline = Pipeline("p").repeat("loop", body(asking(Intervention.SAVE_CHECKPOINT, 2)), 3, save=full)
    with pytest.raises(OSError, match="disk full") as error:
        pipeline.run(0)
    assert step_of(error.value) == "loop#2"


def test_an_unknown_intervention_is_a_failure_of_the_hook_and_not_of_the_run() -> None:
    pipeline = body(lambda value, info: info.request("explode", "why not"))
    assert pipeline.run(0) == 1
    assert pipeline.compile().hook_counts() == {"watch": {"called": 1, "failed": 1}}


def test_a_hook_can_watch_any_step_and_asks_the_loop_around_it() -> None:
    saved: list[int] = []
    update = Pipeline("update").stage("learn", lambda x: x + 1).stage("report", lambda x: x)
    train = Pipeline("train").repeat("updates", update, times=10, save=saved.append, flat=True)
    experiment = Pipeline("experiment").join("train", train, expose=True)

    def stop(value: int, info: HookInfo) -> None:
        if value == 2:
            info.request(Intervention.SAVE_CHECKPOINT, "best so far")
        if value == 4:
            info.request(Intervention.STOP_EARLY, "far enough")

    watched = experiment.copy().watch("train.learn", stop)
    assert watched.watchers() == {"train.learn": (stop,)}
    assert watched.run(0) == 4
    assert saved == [2]
    assert watched.compile().hook_counts() == {"train.learn.stop": {"called": 4, "failed": 0}}
    assert [request.path for request in watched.compile().drain_requests()] == [
        "train.updates#2.learn",
        "train.updates#4.learn",
    ]
    assert experiment.run(0) == 10


def test_several_hooks_on_one_step_are_called_in_the_order_given_and_counted_apart() -> None:
    seen: list[str] = []
    hooks = [lambda value, info, name=name: seen.append(name) for name in ("first", "second")]
    pipeline = Pipeline("p").stage("learn", abs).watch("learn", *hooks).watch("learn", hooks[0])
    assert pipeline.watchers() == {"learn": (*hooks, hooks[0])}
    pipeline.run(1)
    assert seen == ["first", "second", "first"]
    assert [counts["called"] for counts in pipeline.compile().hook_counts().values()] == [1, 1, 1]
    with pytest.raises(Refused, match=r"learn = 7: must be callable"):
        Pipeline("p").stage("learn", abs).watch("learn", print, 7)  # type: ignore[arg-type]


def test_a_hook_on_what_does_not_run_is_refused() -> None:
    experiment = Pipeline("experiment").join("train", Pipeline("train").stage("learn", abs), expose=True)
    with pytest.raises(Refused, match=r"train\.lern = .*there is no such step; did you mean 'train\.learn'"):
        experiment.copy().watch("train.lern", print)
    with pytest.raises(Refused, match=r"'train' is overridden, and nothing runs here"):
        experiment.copy().override("train", abs).watch("train.learn", print)
