"""Where a step stands while it runs: its path with iteration numbers; it never runs or catches anything."""

from trainer.pipeline.errors import note_step
from trainer.pipeline.interventions import Request


class Loop:
    """The present iteration of a loop (from 1; 0 before it starts) and the requests that wait for its end."""

    __slots__ = ("inbox", "number", "stops")

    def __init__(self, stops: bool) -> None:
        self.number = 0
        self.stops = stops
        self.inbox: list[Request] = []


class Trail:
    """The error that is on its way out, so that only the innermost step writes its path on it."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None


class Place:
    """One place in a compiled pipeline; `declared` is its path as `override` and `steps` write it."""

    __slots__ = ("_template", "_trail", "declared", "loops")

    def __init__(self, trail: Trail, template: str = "", declared: str = "", loops: tuple[Loop, ...] = ()) -> None:
        self._trail = trail
        self._template = template
        self.declared = declared
        self.loops = loops

    def step(self, name: str) -> "Place":
        """The place of a step inside this one."""
        template = f"{self._template}.{name}" if self._template else name
        declared = f"{self.declared}.{name}" if self.declared else name
        return Place(self._trail, template, declared, self.loops)

    def iteration(self, loop: Loop, flat: bool = False) -> "Place":
        """The place of an iteration of `loop`, which stands here."""
        declared = self.declared.rpartition(".")[0] if flat else self.declared
        return Place(self._trail, f"{self._template}#{{}}", declared, (*self.loops, loop))

    def path(self) -> str:
        """The full path at this moment: `train.updates#3.compute_loss`."""
        return self._template.format(*(loop.number for loop in self.loops))

    def number(self) -> int | None:
        """The number of the innermost iteration around this place; None outside loops."""
        return self.loops[-1].number if self.loops else None

    def mark(self, error: BaseException) -> None:
        """Write this path on an error that leaves this place, unless a step further in has."""
        if self._trail.error is not error:
            self._trail.error = error
            note_step(error, self.path())

    def ask(self, request: Request) -> None:
        """Put a request before every loop around this place that can honour it."""
        for loop in self.loops:
            if loop.stops:
                loop.inbox.append(request)

    def forget(self) -> None:
        """Drop the error of the run that has ended."""
        self._trail.error = None
