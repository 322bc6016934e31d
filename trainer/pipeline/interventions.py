"""What a hook may know and ask for: its place, and a request that loops honour; it never acts by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Intervention(StrEnum):
    """What a hook can request."""

    STOP_EARLY = "stop_early"
    SAVE_CHECKPOINT = "save_checkpoint"


@dataclass
class Request:
    """One request of a hook, and the paths of the iterations that honoured it (empty: nobody has)."""

    intervention: Intervention
    reason: str
    path: str
    iteration: int | None
    honoured_by: list[str] = field(default_factory=list[str])

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types only, for a manifest."""
        return {
            "intervention": self.intervention.value,
            "reason": self.reason,
            "path": self.path,
            "iteration": self.iteration,
            "honoured_by": list(self.honoured_by),
        }


@dataclass(frozen=True, slots=True)
class HookInfo:
    """Where a hook was called: the full path, and the number (from 1) of the innermost iteration around it."""

    path: str
    iteration: int | None
    _ask: Callable[[Request], None]

    def request(self, intervention: Intervention, reason: str) -> None:
        """Ask for an intervention.

        STOP_EARLY ends every `repeat` around the hook, each after the iteration that it is in. SAVE_CHECKPOINT calls
        `save` of the innermost `repeat` around the hook that has one, after its iteration. With no such loop, the
        request waits in `drain_requests()` for whoever drives the pipeline.
        """
        self._ask(Request(Intervention(intervention), str(reason), self.path, self.iteration))


Hook = Callable[[Any, HookInfo], object]
