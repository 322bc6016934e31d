"""A check says whether a value is as it must be; it never changes the value and holds no state of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from trainer.plain.refusal import Problem, Refused

Level = Literal["FAIL", "WARN"]


class CheckOptions(TypedDict, total=False):
    """What every check of the library also takes; see `Check`."""

    level: Level
    sample_every: int
    n_of_m: tuple[int, int] | None


@dataclass(frozen=True)
class Check:
    """A named predicate on a value, or on its field `of` (key or attribute, `a.b` goes deeper).

    A false result, or an exception, is a violation.

    `level`: FAIL raises `CheckFailed`, WARN logs and counts. `sample_every=k` evaluates the first value and each k-th
    after it. `n_of_m=(n, m)`: a violation fires only if at least n of the last m evaluations, itself included, were
    violations (fewer than m may have been made).
    """

    name: str
    predicate: Callable[[Any], Any]
    level: Level = "FAIL"
    sample_every: int = 1
    n_of_m: tuple[int, int] | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        problems = [Problem(f"check {self.name}.{field}", value, why) for field, value, why in self._wrong()]
        if problems:
            raise Refused(problems)

    def _wrong(self) -> list[tuple[str, Any, str]]:
        wrong: list[tuple[str, Any, str]] = []
        if not self.name:
            wrong.append(("name", self.name, "a check needs a name, its counts go by it"))
        if not callable(self.predicate):
            wrong.append(("predicate", self.predicate, "must be callable"))
        if self.level not in ("FAIL", "WARN"):
            wrong.append(("level", self.level, "must be 'FAIL' or 'WARN'"))
        if self.sample_every < 1:
            wrong.append(("sample_every", self.sample_every, "must be at least 1"))
        if self.n_of_m is not None and not 1 <= self.n_of_m[0] <= self.n_of_m[1]:
            wrong.append(("n_of_m", self.n_of_m, "must be (n, m) with 1 <= n <= m"))
        return wrong
