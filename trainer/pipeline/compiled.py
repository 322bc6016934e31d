"""A pipeline compiled to plain nested calls: it runs and counts; it never changes what it runs."""

import threading
from typing import Any

from trainer.pipeline.compiler import Compiler
from trainer.pipeline.interventions import Request
from trainer.pipeline.steps import Body


class Compiled:
    """Call it to run the pipeline. It counts over all its runs, and does one run at a time."""

    def __init__(self, body: Body) -> None:
        self._name = body.name
        self._parts = Compiler()
        self._run = self._parts.chain(body, self._parts.root)
        self._idle = threading.Lock()

    def __call__(self, x: Any) -> Any:
        """Run; an error of a step is raised as it is, with a note that holds its path (`step_of` reads it)."""
        if not self._idle.acquire(blocking=False):
            raise RuntimeError(f"pipeline {self._name!r} is running already; to run two at once, compile a copy()")
        try:
            return self._run(x)
        finally:
            self._parts.root.forget()
            self._idle.release()

    def check_counts(self) -> dict[str, dict[str, int]]:
        """For each `path.check`: evaluated, violations, warned (fired at WARN), failed (fired at FAIL)."""
        return {name: watch.counts() for name, watch in self._parts.checks.items()}

    def hook_counts(self) -> dict[str, dict[str, int]]:
        """For each hook's path: called, failed."""
        return {name: watch.counts() for name, watch in self._parts.hooks.items()}

    def drain_requests(self) -> tuple[Request, ...]:
        """What hooks have requested since the last call, in order."""
        requests = tuple(self._parts.requests)
        del self._parts.requests[: len(requests)]
        return requests
