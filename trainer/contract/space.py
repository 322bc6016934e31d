"""What one value of a sweep may be: a range of numbers, or one of several choices; it draws none of them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Self, get_args

from pydantic import BaseModel, Field, model_validator

from trainer.contract.spec import TrainAndEvalSpec
from trainer.plain.model import FrozenModel, model_in

Number = type[int] | type[float]


class Range(FrozenModel):
    """Numbers from `low` to `high`, both included; whole ones where the field holds whole ones."""

    low: float = Field(description="The smallest value.")
    high: float = Field(description="The largest value.")
    log: bool = Field(default=False, description="Whether values are drawn evenly by their logarithm.")
    step: float | None = Field(default=None, gt=0, description="Distance of the values; none: any between, or 1.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}; there is nothing to search")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low:g} has no logarithm; give a low above 0, or leave log out")
        if self.step is None:
            return self
        if self.log:
            raise ValueError(f"step = {self.step:g} and log exclude each other; leave one of them out")
        if (last := self.points(float)[-1]) != self.high:
            raise ValueError(
                f"high = {self.high:g} is no whole number of steps of {self.step:g} from low = {self.low:g}; "
                f"the last one is {last:g}"
            )
        return self

    def points(self, number: Number) -> tuple[Any, ...]:
        """Every value, in order; none at all where there are infinitely many."""
        if self.step is None and number is float:
            return ()
        low, high, step = (Decimal(str(each)) for each in (self.low, self.high, self.step or 1))
        return tuple(number(low + place * step) for place in range(int((high - low) / step) + 1))

    def refuse_parts_of(self, number: Number) -> None:
        """Raise `ValueError` where a field of whole numbers is given others."""
        given = {"low": self.low, "high": self.high, "step": self.step or 1.0}
        for name, value in given.items():
            if number is int and not value.is_integer():
                raise ValueError(f"{name} = {value:g} is no whole number, and the field holds whole numbers")


class Choices(FrozenModel):
    """One of several values, of any type that the field takes; for an exposed step what runs in it."""

    values: tuple[Any, ...] = Field(min_length=2, description="The values, at least two.")


Dimension = Range | Choices


def dimension(given: Any) -> Dimension:
    """A dimension as it is written in a file: a list is choices, a mapping a range, or choices by their name."""
    if isinstance(given, Range | Choices):
        return given
    if isinstance(given, list | tuple):
        return Choices.model_validate({"values": given})
    kind = Choices if isinstance(given, dict) and "values" in given else Range
    return kind.model_validate(given)


def number_at(path: str) -> Number | None:
    """The type of number that the spec's field at this path holds; none if it holds none, or there is no such field."""
    annotations = list(_annotations(path))
    kinds = {kind for kind in get_args(annotations[-1]) or (annotations[-1],) if kind is not type(None)}
    return int if kinds == {int} else float if kinds == {float} else None


def _annotations(path: str) -> Iterator[Any]:
    """The annotation of each part of the path, as far as there are fields; then none."""
    model: type[BaseModel] | None = TrainAndEvalSpec
    for given in path.split("."):
        name = getattr(model, "long_names", {}).get(given, given)
        if model is None or name not in model.model_fields:
            yield None
            return
        yield (annotation := model.model_fields[name].annotation)
        model = model_in(annotation)
