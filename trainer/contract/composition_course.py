"""What a composition goes by on its way: conditions, rounds, and what follows from numbers; it reads no file.

The same numbers give the same course, in any process.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.contract.measured import EVALUATION_REWARD
from trainer.contract.spec import TrainAndEvalSpec
from trainer.contract.variants import Arm
from trainer.plain.model import FrozenModel

Reached = Callable[[str, str], float | None]
"""What the last round of a phase reached in a metric; none: it has no such number."""


class Bound(FrozenModel):
    """What a number is asked to be."""

    metric: str = Field(
        default=EVALUATION_REWARD,
        description="`evaluation/reward`, `evaluation/<simulation>`, or a metric of the training: its last value.",
    )
    at_least: float | None = Field(default=None, description="It holds from this value on.")
    below: float | None = Field(default=None, description="It holds under this value. Give one of the two.")

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.at_least is None) == (self.below is None):
            given = "both at_least and below" if self.below is not None else "neither at_least nor below"
            raise ValueError(f"{self.metric} has {given}; give one of the two")
        return self

    def holds(self, value: float | None) -> bool:
        """Whether the number is so; one that is missing is not."""
        if value is None:
            return False
        return value < self.below if self.below is not None else value >= (self.at_least or 0.0)

    def told(self, value: float | None) -> str:
        """`evaluation/reward is 9.3, not at least 100`."""
        found = "missing" if value is None else f"{value:.6g}"
        return f"{self.metric} is {found}, {'' if self.holds(value) else 'not '}{self.words}"

    @property
    def words(self) -> str:
        """`at least 100`."""
        return f"below {self.below:g}" if self.below is not None else f"at least {self.at_least:g}"


class Condition(Bound):
    """What an earlier phase must have reached; a phase that was skipped has reached nothing."""

    phase: str = Field(description="The earlier phase.")

    def told(self, value: float | None) -> str:
        """`pretrain: evaluation/reward is 9.3, not at least 100`."""
        return f"{self.phase}: {super().told(value)}"

    def __str__(self) -> str:
        return f"{self.phase}: {self.metric} {self.words}"


class Repeat(FrozenModel):
    """A phase in rounds: each begins with the round before. Never without a bound."""

    at_most: int = Field(default=0, description="The most rounds, 1 or more.")
    until: Bound | None = Field(default=None, description="The first round that is so is the last; none: all rounds.")

    @field_validator("at_most")
    @classmethod
    def _is_bounded(cls, at_most: int) -> int:
        if at_most < 1:
            raise ValueError("a loop without a bound may never end; give the most rounds, 1 or more")
        return at_most

    def __str__(self) -> str:
        until = f", until {self.until.metric} {self.until.words}" if self.until else ""
        return f"at most {self.at_most} rounds{until}"


class Phase(FrozenModel):
    """One phase: what it changes in the base, what it begins with, and when it runs."""

    set: dict[str, Any] = Field(default={}, description="Values by dotted path: `{trainer.ppo.gamma: 0.98}`.")
    overrides: dict[str, Any] = Field(
        default={}, description="What runs in exposed steps, as in a spec or as `--override` takes it."
    )
    initialize_from: tuple[str, ...] = Field(
        default=(),
        description="The earlier phase whose checkpoint it begins with; of several, the last that ran. None: new.",
    )
    load: Literal["weights", "all"] = Field(
        default="weights", description="Weights: all but the policy is new. All: its training goes on, counted on."
    )
    checkpoint: Literal["latest", "best"] = Field(default="latest", description="Which checkpoint of that phase.")
    when: tuple[Condition, ...] = Field(default=(), description="What must hold for it to run: all of them.")
    repeat: Repeat | None = Field(default=None, description="Rounds of it; none: it runs once.")

    @field_validator("initialize_from", mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @field_validator("initialize_from")
    @classmethod
    def _name_each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"name each phase once: {', '.join(names)}")
        return names

    def changed(self, base: TrainAndEvalSpec) -> TrainAndEvalSpec:
        """The base with what this phase changes; raises `Refused`."""
        return Arm(set=self.set, overrides=self.overrides).changed(base)

    @property
    def rounds(self) -> int:
        """The most rounds of it."""
        return self.repeat.at_most if self.repeat else 1


def why_skipped(phase: Phase, ran: Sequence[str], reached: Reached) -> str:
    """Why a phase is left out; empty: it runs. `ran` are the earlier phases that did."""
    for condition in phase.when:
        if condition.phase not in ran:
            return f"{condition.phase} was skipped"
        if not condition.holds(value := reached(condition.phase, condition.metric)):
            return condition.told(value)
    if phase.initialize_from and origin(phase, ran) is None:
        return f"there is nothing to begin with: {', '.join(phase.initialize_from)} skipped"
    return ""


def origin(phase: Phase, ran: Sequence[str]) -> str | None:
    """The phase that it begins with: of those that it names, the last that ran; none: it begins anew."""
    return next((name for name in reversed(ran) if name in phase.initialize_from), None)


def is_last_round(name: str, phase: Phase, number: int, reached: Reached) -> bool:
    """Whether no round follows the one of this number, counted from 1, which has ended."""
    until = phase.repeat.until if phase.repeat else None
    return number >= phase.rounds or (until is not None and until.holds(reached(name, until.metric)))
