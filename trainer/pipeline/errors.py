"""What a pipeline raises and how a failure names its step; it never replaces or hides the error of a step."""

from typing import Any

from trainer.pipeline.fields import summary

_NOTE = "in step "


class PipelineFrozen(RuntimeError):
    """A pipeline was changed after it had been compiled or run."""


class CheckFailed(RuntimeError):
    """A check of level FAIL did not hold: the `path` of its step, the `check`'s name, a short `shown` of the value."""

    def __init__(self, path: str, check: str, shown: str) -> None:
        super().__init__(path, check, shown)
        self.path, self.check, self.shown = path, check, shown

    def __str__(self) -> str:
        return f"{self.path}: check {self.check!r} failed on {self.shown}"


class GuardRefused(RuntimeError):
    """A guard did not let its step run here."""


def wrong_type(path: str, expected: Any, value: Any) -> TypeError:
    """The error of a membrane that let the wrong type through."""
    name = getattr(expected, "__name__", str(expected))
    return TypeError(f"{path}: expected {name}, got {type(value).__name__}: {summary(value)}")


def note_step(error: BaseException, path: str) -> None:
    """Write the path of the failing step on the error; it keeps its type and its text."""
    error.add_note(f"{_NOTE}{path}")


def step_of(error: BaseException) -> str | None:
    """The full path, with iteration numbers, of the step that raised `error`; None if no pipeline was running.

    If a step ran a pipeline of its own, this is the path in the outermost one. It survives pickling.
    """
    notes: list[str] = getattr(error, "__notes__", [])
    paths = [note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE)]
    return paths[-1] if paths else None
