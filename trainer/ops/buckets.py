"""A finite set of tasks, the product of values for each path; it never chooses among them, nor keeps them in memory."""

from collections.abc import Mapping
from functools import cached_property
from math import prod
from typing import Self

from pydantic import Field, model_validator

from trainer.ops.op import CurriculumOp
from trainer.ops.slots import Task
from trainer.plain.model import FrozenModel

MOST_TASKS = 10_000


class Buckets(FrozenModel):
    """The product of buckets: a task has one value from each.

    Tasks are numbered from 0 as an odometer counts, the paths in alphabetical order: the last path changes fastest,
    and the values of each go in the order in which they are written.
    """

    buckets: dict[str, tuple[float, ...]] = Field(
        default={"arena.combat": (0.0, 1.0)},
        description="Values by their path in the environment's config, such as `arena.num_mines` or `kwargs.gravity`; "
        "4.0 is 4 for a whole number, 0 and 1 are no and yes.",
    )

    @model_validator(mode="after")
    def _make_a_few_distinct_tasks(self) -> Self:
        if not self.buckets:
            raise ValueError("buckets are empty: name a path and its values, or use the curriculum 'fixed'")
        for path, values in self.buckets.items():
            if not values or len(set(values)) < len(values):
                raise ValueError(f"buckets.{path} = {list(values)}: give one or more values, each of them once")
        if self.num_tasks > MOST_TASKS:
            raise ValueError(f"buckets make {self.num_tasks} tasks, more than {MOST_TASKS}; give fewer values or paths")
        return self

    @property
    def num_tasks(self) -> int:
        """K, the size of the product."""
        return prod(map(len, self.buckets.values()))

    def task(self, number: int) -> Task:
        """The task of a number in `0..K-1`."""
        values: dict[str, float] = {}
        for path in reversed(self._paths):
            number, place = divmod(number, len(self.buckets[path]))
            values[path] = self.buckets[path][place]
        return values

    def number(self, task: Task) -> int | None:
        """The inverse of `task`; none if the task is not in the product."""
        if task.keys() != self.buckets.keys() or any(task[path] not in self._places[path] for path in task):
            return None
        number = 0
        for path, places in self._places.items():
            number = number * len(places) + places[task[path]]
        return number

    @property
    def _paths(self) -> list[str]:
        return sorted(self.buckets)

    @cached_property
    def _places(self) -> Mapping[str, Mapping[float, int]]:
        """Where each value stands among those of its path: to look for one among 10,000 takes as long as a lesson."""
        return {path: {value: place for place, value in enumerate(self.buckets[path])} for path in self._paths}


class BucketsOp(Buckets, CurriculumOp):
    """A curriculum over the product of its buckets."""
