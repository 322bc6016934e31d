import contextvars
import threading
import time
from typing import Any

import pytest

from trainer.pipeline import (
    Guard,
    GuardRefused,
    Pipeline,
    gpu_required,
    master_only,
    retry,
    step_of,
    timeout,
)


class FailsFirst:
    """Fails the first `times` calls, with `error`."""

    def __init__(self, times: int, error: type[Exception] = OSError) -> None:
        self.times, self.error, self.calls = times, error, 0

    def __call__(self, x: int) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error(f"call {self.calls}")
        return x + 1


@pytest.mark.parametrize(("fails", "retries", "succeeds"), [(0, 0, True), (2, 2, True), (3, 2, False), (1, 0, False)])
def test_io_tries_again_as_often_as_it_may(fails: int, retries: int, succeeds: bool) -> None:
    step = FailsFirst(fails)
    pipeline = Pipeline("p").io("send", step, num_retries=retries)
    if succeeds:
        assert pipeline.run(1) == 2
        assert step.calls == fails + 1
    else:
        with pytest.raises(OSError, match=f"call {retries + 1}") as error:
            pipeline.run(1)
        assert step_of(error.value) == "send" and step.calls == retries + 1


def test_retry_tries_again_only_on_the_errors_it_was_given() -> None:
    step = FailsFirst(1, KeyError)
    with pytest.raises(KeyError):
        retry(3, on=OSError)(step)(1)
    assert step.calls == 1


def test_every_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    retry(2)(FailsFirst(2))(1)
    assert [message.split(",")[0] for message in caplog.messages] == [
        "attempt 1 of 3 failed",
        "attempt 2 of 3 failed",
    ]


def test_a_timeout_raises_in_time_with_the_path() -> None:
    release = threading.Event()
    pipeline = Pipeline("p").io("wait", lambda x: release.wait(30), timeout=0.05)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"longer than 0\.05 s") as error:
        pipeline.run(1)
    assert time.monotonic() - start < 5
    assert step_of(error.value) == "wait"
    release.set()


def test_each_try_has_the_whole_timeout() -> None:
    release, calls = threading.Event(), []

    def slow_once(x: int) -> int:
        calls.append(x)
        if len(calls) == 1:
            release.wait(30)
        return x

    assert Pipeline("p").io("wait", slow_once, timeout=0.2, num_retries=1).run(7) == 7
    assert calls == [7, 7]
    release.set()


def test_under_a_timeout_results_errors_and_context_pass_unchanged() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    assert timeout(5)(lambda x: (x, variable.get()))(None) == (None, "here")
    with pytest.raises(ZeroDivisionError):
        timeout(5)(lambda x: x // 0)(1)


def test_master_only_runs_on_rank_zero_and_lets_the_value_pass_elsewhere() -> None:
    ran: list[int] = []

    def run_on(rank: int) -> int:
        def save(x: int) -> int:
            ran.append(rank)
            return x + 1

        return Pipeline("p").io("save", save, guards=[master_only(lambda: rank)]).run(5)

    assert [run_on(rank) for rank in (0, 1, 2)] == [6, 5, 5]
    assert ran == [0]


def test_gpu_required_runs_only_where_there_is_one() -> None:
    available = [True, False]
    pipeline = Pipeline("p").stage("train", abs, guards=[gpu_required(lambda: available.pop(0))])
    assert pipeline.run(-1) == 1
    with pytest.raises(GuardRefused, match="needs a GPU") as error:
        pipeline.run(-1)
    assert step_of(error.value) == "train"


def test_a_guard_is_a_decorator_that_keeps_the_name_of_its_function() -> None:
    @retry(1)
    def send(x: int) -> int:
        """Send it."""
        return x

    assert (send.__name__, send.__doc__, send(3)) == ("send", "Send it.", 3)


def test_the_first_guard_is_the_outermost() -> None:
    order: list[str] = []

    def guard(name: str) -> Guard:
        def wrap(function: Any) -> Any:
            return lambda x: order.append(name) or function(x)

        return Guard(name, wrap)

    Pipeline("p").stage("a", abs, guards=[guard("outer"), guard("inner")]).run(1)
    assert order == ["outer", "inner"]


def test_guards_are_shown_by_name_with_those_of_io_innermost() -> None:
    pipeline = Pipeline("p").io("save", abs, timeout=2, num_retries=3, guards=[master_only(lambda: 0)])
    assert pipeline.render() == "p\n  save [io, master_only(), retry(3), timeout(2 s)]"
