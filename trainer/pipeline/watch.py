"""The counting halves of checks and hooks in a compiled pipeline; neither ever changes the value."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from trainer.pipeline.checks import Check
from trainer.pipeline.errors import CheckFailed
from trainer.pipeline.fields import field_of, summary
from trainer.pipeline.interventions import Hook, HookInfo, Request
from trainer.pipeline.place import Place

_log = logging.getLogger("trainer.pipeline")


class CheckWatch:
    """Evaluates one check at one place and counts what came of it."""

    def __init__(self, check: Check, place: Place) -> None:
        self._check, self._place = check, place
        self._seen = self._evaluated = self._violations = self._warned = self._failed = 0
        self._needed, window = check.n_of_m or (1, 1)
        self._window: deque[bool] = deque(maxlen=window)

    def __call__(self, value: Any) -> None:
        """Evaluate if it is this value's turn; raises `CheckFailed` if the check fires at level FAIL."""
        turn = self._seen % self._check.sample_every == 0
        self._seen += 1
        if not turn:
            return
        self._evaluated += 1
        try:
            value = value if self._check.of is None else field_of(value, self._check.of)
            holds, cause = bool(self._check.predicate(value)), None
        except Exception as error:
            holds, cause = False, error
        self._window.append(not holds)
        if not holds:
            self._violations += 1
            if sum(self._window) >= self._needed:
                self._fire(value, cause)

    def counts(self) -> dict[str, int]:
        """Values evaluated, violations among them, and how often the check fired at its level."""
        return {
            "evaluated": self._evaluated,
            "violations": self._violations,
            "warned": self._warned,
            "failed": self._failed,
        }

    def _fire(self, value: Any, cause: Exception | None) -> None:
        shown = summary(value) if cause is None else f"{summary(value)} (it could not be evaluated: {cause!r})"
        found = CheckFailed(self._place.path(), self._check.name, shown)
        if self._check.level == "FAIL":
            self._failed += 1
            raise found from cause
        self._warned += 1
        _log.warning("%s", found)


class HookWatch:
    """Calls one hook at one place, ignores what it returns, and survives what it raises."""

    def __init__(self, hook: Hook, name: str, place: Place, collect: Callable[[Request], None]) -> None:
        self._hook, self._name, self._place, self._collect = hook, name, place, collect
        self._called = self._failed = 0

    def __call__(self, value: Any) -> None:
        """Show the value; only the first failure is logged, all are counted."""
        self._called += 1
        try:
            self._hook(value, HookInfo(self._place.path(), self._place.number(), self._ask))
        except Exception:
            self._failed += 1
            if self._failed == 1:
                _log.warning("%s: hook %r failed; the run goes on", self._place.path(), self._name, exc_info=True)

    def counts(self) -> dict[str, int]:
        """How often it was called, and how often it failed."""
        return {"called": self._called, "failed": self._failed}

    def _ask(self, request: Request) -> None:
        self._collect(request)
        self._place.ask(request)
