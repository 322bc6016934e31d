"""One error for every input that is refused: path, value, what is allowed, the nearest name; it never guesses a fix."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

LONGEST = 200  # characters of a value that are shown: a file's path is whole


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands (`a.b.c`), what was given, and why it is refused."""

    path: str
    value: Any
    why: str

    def __str__(self) -> str:
        if isinstance(self.value, Mapping):
            return f"{self.path}: {self.why}"
        shown = repr(self.value)
        shown = shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
        return f"{self.path} = {shown}: {self.why}"


class Refused(ValueError):
    """Input that was refused before anything was done with it; the command line exits with 2."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def one(cls, path: str, value: Any, why: str) -> "Refused":
        """A refusal with a single problem."""
        return cls([Problem(path, value, why)])

    @classmethod
    def from_validation(cls, error: ValidationError, root: str) -> "Refused":
        """The problems that pydantic found, their paths written as a user writes them; `root` names the whole."""
        return cls(
            Problem(".".join(str(part) for part in found["loc"]) or root, found["input"], _sentence(found["msg"]))
            for found in error.errors(include_url=False)
        )


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint for a misspelt name: `did you mean 'x'? ` if one is near, then all that is allowed."""
    names = sorted(allowed)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(names)}"


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ")
