"""Guards decide when, where and whether a function runs; they never change what it returns.

A guard is a decorator (`@retry(3)`), and is named in a step (`guards=[retry(3)]`): there it also guards an override.
"""

import contextvars
import functools
import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.pipeline.errors import GuardRefused
from trainer.plain.refusal import Refused

_log = logging.getLogger("trainer.pipeline")
_Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Guard:
    """A named wrapper of a step's function; `detail` is shown behind the name when a pipeline is rendered."""

    name: str
    wrap: Callable[[_Function], _Function]
    detail: str = ""

    def __call__(self, function: _Function) -> _Function:
        """The guarded function."""
        return functools.wraps(function)(self.wrap(function))

    def __str__(self) -> str:
        return f"{self.name}({self.detail})"


def timeout(seconds: float) -> Guard:
    """Raise TimeoutError after `seconds`.

    The function runs in a daemon thread with a copy of the context variables (torch's grad mode is none of these: set
    it inside). Python cannot stop a thread: a call that is given up runs on unseen, so it must be safe to abandon.
    """
    if not (seconds > 0 and math.isfinite(seconds)):
        raise Refused.one("timeout", seconds, "must be a positive number of seconds")

    def wrap(function: _Function) -> _Function:
        return lambda value: _within_seconds(function, value, seconds)

    return Guard("timeout", wrap, f"{seconds:g} s")


def retry(times: int, on: type[Exception] | tuple[type[Exception], ...] = Exception) -> Guard:
    """Call again, at most `times` more times, when the function raises `on`; the last error is raised as it is."""
    if times < 1:
        raise Refused.one("retry", times, "must be at least 1")

    def wrap(function: _Function) -> _Function:
        def guarded(value: Any) -> Any:
            for attempt in range(1, times + 1):
                try:
                    return function(value)
                except on as error:
                    _log.warning("attempt %d of %d failed, trying again: %r", attempt, times + 1, error)
            return function(value)

        return guarded

    return Guard("retry", wrap, str(times))


def gpu_required(available: Callable[[], bool]) -> Guard:
    """Raise `GuardRefused` unless `available()`, which is asked at each call; for torch, `torch.cuda.is_available`."""

    def wrap(function: _Function) -> _Function:
        def guarded(value: Any) -> Any:
            if not available():
                raise GuardRefused("this step needs a GPU and none is available: run it on a machine that has one")
            return function(value)

        return guarded

    return Guard("gpu_required", wrap)


def master_only(rank: Callable[[], int]) -> Guard:
    """Run on rank 0 only; on every other rank the value passes through unchanged."""

    def wrap(function: _Function) -> _Function:
        return lambda value: function(value) if rank() == 0 else value

    return Guard("master_only", wrap)


def _within_seconds(function: _Function, value: Any, seconds: float) -> Any:
    results: list[Any] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function(value))
        except BaseException as error:
            errors.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(call,), name="pipeline-timeout", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"took longer than {seconds:g} s")
    return results[0]
