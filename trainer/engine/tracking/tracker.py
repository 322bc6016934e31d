"""The seam of all trackers, and what holds several of them; a tracker that fails never takes another along."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from trainer.contract import redacted

Words = Callable[[str], None]


class Tracker(Protocol):
    """Takes the numbers of one stage, in order. All of its methods may raise and may take their time."""

    @property
    def next_update(self) -> int:
        """The first update that it does not have yet."""
        ...

    def log(self, row: Mapping[str, Any]) -> None:
        """Take one update's metrics: a line of metrics.jsonl, `update` and `agent_steps` among them."""
        ...

    def summarize(self, values: Mapping[str, float]) -> None:
        """Take numbers of the whole stage."""
        ...

    def finish(self, exit_code: int) -> None:
        """Hand over all that is left; 0 says that the stage ended well."""
        ...


class Forgiving:
    """A tracker whose first failure is said and ends it, and nothing else; before that it passes on what is new."""

    def __init__(self, name: str, make: Callable[[], Tracker], say: Words) -> None:
        self.problem: str | None = None
        self._name, self._say = name, say
        self._tracker: Tracker | None = None
        self._try(lambda: setattr(self, "_tracker", make()))

    @property
    def next_update(self) -> int:
        """Of a tracker that has failed nothing is awaited."""
        return self._tracker.next_update if self._tracker else 0

    def log(self, row: Mapping[str, Any]) -> None:
        """Pass on an update that the tracker does not have."""
        if (tracker := self._tracker) and row["update"] >= tracker.next_update:
            self._try(lambda: tracker.log(row))

    def summarize(self, values: Mapping[str, float]) -> None:
        """Pass on."""
        if tracker := self._tracker:
            self._try(lambda: tracker.summarize(values))

    def finish(self, exit_code: int) -> None:
        """Pass on."""
        if tracker := self._tracker:
            self._try(lambda: tracker.finish(exit_code))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever a tracker raises, the others are worth more
            self._tracker = None
            self.problem = redacted(f"{self._name}: {type(error).__name__}: {error}")
            self._say(f"tracking stopped, training goes on: {self.problem}")


class Several:
    """Trackers side by side, each of them forgiven."""

    def __init__(self, trackers: Iterable[Forgiving]) -> None:
        self._trackers = tuple(trackers)

    @property
    def problem(self) -> str | None:
        """What went wrong with any of them."""
        return "; ".join(each.problem for each in self._trackers if each.problem) or None

    @property
    def next_update(self) -> int:
        """The first update that any of them lacks."""
        return min((each.next_update for each in self._trackers), default=0)

    def log(self, row: Mapping[str, Any]) -> None:
        """To each."""
        for each in self._trackers:
            each.log(row)

    def summarize(self, values: Mapping[str, float]) -> None:
        """To each."""
        for each in self._trackers:
            each.summarize(values)

    def finish(self, exit_code: int) -> None:
        """To each."""
        for each in self._trackers:
            each.finish(exit_code)
