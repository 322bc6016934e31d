"""What each factor of a grid does by itself, over all values of the others; it never guesses at an incomplete grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from assets.statistics.estimates import LEVEL, Estimate, mean

Levels = tuple[str, ...]
Cells = Mapping[Levels, Mapping[int, float]]


@dataclass(frozen=True)
class Effect:
    """What a factor's value does against the baseline's value of it: the mean over seeds, and over the grid."""

    factor: str
    base: str
    value: str
    estimate: Estimate


def is_grid(cells: Sequence[Levels]) -> bool:
    """Whether every combination of the values of two factors or more is there, once."""
    values = [sorted(set(column)) for column in zip(*cells, strict=True)]
    return sum(len(each) > 1 for each in values) > 1 and sorted(cells) == sorted(product(*values))


def main_effects(factors: Sequence[str], cells: Cells, level: float = LEVEL) -> list[Effect]:
    """The main effect of each factor's values in a grid whose first cell is the baseline.

    `cells` are scores by seed, by the values of the factors. For each seed that all cells share, the difference is
    averaged over the values of the other factors; the interval is Student's over seeds, since these are what varies.
    """
    base = next(iter(cells))
    seeds = sorted(seed for seed in cells[base] if all(seed in scores for scores in cells.values()))
    found: list[Effect] = []
    for place, factor in enumerate(factors):
        for value in dict.fromkeys(levels[place] for levels in cells if levels[place] != base[place]):
            by_seed = [_difference(cells, place, base[place], value, seed) for seed in seeds]
            if by_seed:
                found.append(Effect(factor, base[place], value, mean(by_seed, level)))
    return found


def _difference(cells: Cells, place: int, base: str, value: str, seed: int) -> float:
    """One seed's scores at `value` less those at `base`, mean over the values of all other factors."""
    with_value = [levels for levels in cells if levels[place] == value]
    parts = (cells[at][seed] - cells[(*at[:place], base, *at[place + 1 :])][seed] for at in with_value)
    return sum(parts) / len(with_value)
