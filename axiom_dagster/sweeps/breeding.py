"""Which members of a population go on, from whose checkpoint and with which values; a pure function, it launches none.

Population-based training (Jaderberg et al. 2017, arXiv:1711.09846) with truncation selection, in generations: each of
the worst members exploits one of the best, drawn evenly, and explores: every value is perturbed, or drawn anew. The
seed, the generation and the members' values decide; each member draws from a generator of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from random import Random
from typing import TYPE_CHECKING, Any

from axiom_dagster.sweeps.sampling import Point
from trainer.contract.space import Choices, Range, number_at

if TYPE_CHECKING:
    from trainer.contract.sweep import Sweep
    from trainer.contract.sweep_population import PopulationConfig


@dataclass(frozen=True)
class Member:
    """What a generation left of one member: its values, and the sweep's metric; none where it failed."""

    params: Mapping[str, Any]
    value: float | None


class Breeding:
    """All generations of a sweep so far, in memory. Members are asked for in order, and told of in order."""

    def __init__(self, sweep: "Sweep") -> None:
        assert sweep.population is not None
        self._sweep, self._members = sweep, sweep.population.members
        self._points: list[Point] = []
        self._values: list[float | None] = []

    def ask(self) -> Point:
        """The values of the next member, and the trial that it goes on with. The generation before has ended."""
        generation, member = divmod(len(self._points), self._members)
        point = self._following(generation, member) if generation else first(self._sweep, member)
        self._points.append(point)
        return point

    def report(self, agent_steps: int, value: float) -> None:
        """What a member has reached on its way decides nothing."""

    def tell(self, status: str, value: float | None) -> None:
        """How the first member has ended of which nothing was told yet."""
        self._values.append(value if status == "succeeded" else None)

    def _following(self, generation: int, member: int) -> Point:
        begun, ended = (generation - 1) * self._members, generation * self._members
        before = zip(self._points[begun:ended], self._values[begun:ended], strict=True)
        left = [Member(point.params, value) for point, value in before]
        point = following(self._sweep, generation, left)[member]
        return replace(point, origin=begun + (point.origin or 0))


def first(sweep: "Sweep", member: int) -> Point:
    """A member of generation 0: every value drawn from the space."""
    generator = _generator(sweep, 0, member)
    return Point({path: _drawn_anew(sweep, path, generator) for path in sweep.space})


def following(sweep: "Sweep", generation: int, members: Sequence[Member]) -> list[Point]:
    """The members of a generation, `origin` being the member of the one before whose checkpoint each goes on with."""
    assert sweep.population is not None
    best, worst = selected(members, sweep.population, maximize=sweep.direction == "maximize")
    return [
        _replaced(sweep, generation, place, members, best) if place in worst else Point(dict(member.params), place)
        for place, member in enumerate(members)
    ]


def selected(
    members: Sequence[Member], population: "PopulationConfig", *, maximize: bool
) -> tuple[list[int], list[int]]:
    """The places of the best members, and of those to be replaced: the worst ones, and all that failed.

    At least one member has a value. Of equal ones the earlier is the better.
    """
    sign = 1 if maximize else -1
    known = {place: sign * member.value for place, member in enumerate(members) if member.value is not None}
    ranked = sorted(known, key=lambda place: -known[place])
    ranked += [place for place in range(len(members)) if place not in known]
    count = min(population.replaced, len(known))
    return ranked[:count], ranked[min(len(members) - population.replaced, len(known)) :]


def _replaced(sweep: "Sweep", generation: int, place: int, members: Sequence[Member], best: Sequence[int]) -> Point:
    generator = _generator(sweep, generation, place)
    origin: int = _one_of(best, generator)
    params = members[origin].params
    return Point({path: explored(sweep, path, params[path], generator) for path in sweep.space}, origin)


def explored(sweep: "Sweep", path: str, value: Any, generator: Random) -> Any:
    """A value near this one, never beyond the range; or, by the chance of that, one drawn anew.

    A number is multiplied by one of the factors. Where values have steps (whole numbers, a `step`) it becomes the
    nearest of them, at least the next one. A choice becomes its neighbour in the list: the one behind it for a factor
    above 1, else the one before.
    """
    population, each = sweep.population, sweep.space[path]
    assert population is not None
    if generator.random() < population.resample:
        return _drawn_anew(sweep, path, generator)
    factor = _one_of(population.factors, generator)
    if isinstance(each, Choices):
        return _neighbour(each.values, each.values.index(value), up=factor > 1)
    points = sweep.points(path)
    if not points:
        return min(max(value * factor, each.low), each.high)
    nearest = min(points, key=lambda point: abs(point - value * factor))
    return nearest if nearest != value else _neighbour(points, points.index(value), up=value * factor >= value)


def _neighbour(values: Sequence[Any], place: int, *, up: bool) -> Any:
    return values[min(max(place + (1 if up else -1), 0), len(values) - 1)]


def _drawn_anew(sweep: "Sweep", path: str, generator: Random) -> Any:
    each, points = sweep.space[path], sweep.points(path)
    if points and not (isinstance(each, Range) and each.log):
        return _one_of(points, generator)
    assert isinstance(each, Range)
    low, high = (log(each.low), log(each.high)) if each.log else (each.low, each.high)
    number = low + (high - low) * generator.random()
    inside = min(max(exp(number) if each.log else number, each.low), each.high)
    return round(inside) if number_at(path) is int else inside


def _one_of(values: Sequence[Any], generator: Random) -> Any:
    return values[int(generator.random() * len(values))]


def _generator(sweep: "Sweep", generation: int, member: int) -> Random:
    """Seeded by a string, of which Python promises the same numbers from `random()` in every version."""
    return Random(f"{sweep.sampler.seed}/{generation}/{member}")
