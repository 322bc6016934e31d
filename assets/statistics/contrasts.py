"""What two arms differ by, and how surely: paired by seed where seeds are shared; it never chooses between the two."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assets.statistics.estimates import LEVEL, Estimate, mean, t_quantile

EQUAL = 1e-9  # differences that vary by less than this part of their size do not vary
POWER = 0.8
MOST_SEEDS = 1000
CERTAIN = 30.0  # so far beyond the limit the noncentral t is 1 to the last digit, and scipy's is no number


@dataclass(frozen=True)
class Contrast:
    """Arm minus baseline, with its interval; `p_value` of the two-sided test that they are equal.

    `spread` is the standard deviation by which one more seed is judged: of the paired differences, or of a run of
    either arm. `p_value` is none where too few runs are there to know it.
    """

    difference: Estimate
    spread: float | None
    p_value: float | None
    paired: bool
    degrees: float | None


def paired(differences: Sequence[float], level: float = LEVEL) -> Contrast:
    """The t test of differences by seed. Where all of them are equal there is no spread: signs alone are tested."""
    count, found = len(differences), mean(differences, level)
    if count < 2:
        return Contrast(found, None, None, True, None)
    spread = float(np.std(differences, ddof=1))
    if spread <= EQUAL * max(map(abs, differences)):
        chance = 1.0 if found.value == 0 else _chance_of_order(count, pairs=True)
        return Contrast(Estimate(found.value, None, None, count), 0.0, chance, True, None)
    return Contrast(found, spread, two_sided(found.value * math.sqrt(count) / spread, count - 1), True, count - 1)


def unpaired(arm: Sequence[float], base: Sequence[float], level: float = LEVEL) -> Contrast:
    """Welch's test (1947) of runs that share no seeds. Where neither side varies, the test is of the order alone."""
    by, sizes = float(np.mean(arm) - np.mean(base)), (len(arm), len(base))
    if min(sizes) < 2:
        return Contrast(Estimate(by, None, None, min(sizes)), None, None, False, None)
    variances = float(np.var(arm, ddof=1)), float(np.var(base, ddof=1))
    errors = [variance / size for variance, size in zip(variances, sizes, strict=True)]
    error, spread = math.sqrt(sum(errors)), math.sqrt(sum(variances) / 2)
    if spread <= EQUAL * max(map(abs, (*arm, *base))):
        chance = 1.0 if by == 0 else 2 / math.comb(sum(sizes), sizes[0])
        return Contrast(Estimate(by, None, None, min(sizes)), 0.0, chance, False, None)
    parts = ((each / sum(errors), size) for each, size in zip(errors, sizes, strict=True))
    degrees = 1 / sum(part**2 / (size - 1) for part, size in parts)
    half = t_quantile(degrees, level) * error
    found = Estimate(by, by - half, by + half, min(sizes))
    return Contrast(found, spread, two_sided(by / error, degrees), False, degrees)


def two_sided(t: float, degrees: float) -> float:
    """The chance of a Student's t at least this far from zero."""
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(t)))


def power(effect: float, seeds: int, level: float, *, pairs: bool) -> float:
    """The chance that the test at this level finds `effect` with its sign; in spreads, with `seeds` in each arm."""
    from scipy.special import nctdtr

    degrees, shift = (seeds - 1, seeds) if pairs else (2 * seeds - 2, seeds / 2)
    limit, center = t_quantile(degrees, level), abs(effect) * math.sqrt(shift)
    return 1.0 if center > limit + CERTAIN else float(1 - nctdtr(degrees, center, limit))


def seeds_to_decide(contrast: Contrast, level: float, least: int) -> int | None:
    """Seeds in each arm, `least` or more, with which the test would find this very difference at 80 % power.

    None where it is not known (no spread is), where the arms do not differ, and beyond `MOST_SEEDS`.
    """
    if contrast.spread is None or contrast.difference.value == 0:
        return None
    if contrast.spread == 0:
        return _smallest(least, lambda seeds: _chance_of_order(seeds, pairs=contrast.paired) < level)
    effect = contrast.difference.value / contrast.spread
    return _smallest(least, lambda seeds: power(effect, seeds, level, pairs=contrast.paired) >= POWER)


def _chance_of_order(seeds: int, *, pairs: bool) -> float:
    """Of two equal arms, that every seed differs the same way, or that one arm is wholly above the other."""
    return 2.0 ** (1 - seeds) if pairs else 2 / math.comb(2 * seeds, seeds)


def _smallest(least: int, enough: Callable[[int], bool]) -> int | None:
    """By bisection: more seeds never have less power."""
    if enough(least):
        return least
    if not enough(MOST_SEEDS):
        return None
    low, high = least, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
