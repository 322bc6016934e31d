"""The one way to a verdict: `better`, `worse` or `inconclusive` at a stated level; never of too few runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assets.statistics.contrasts import Contrast, seeds_to_decide
from assets.statistics.estimates import LEVEL

Word = Literal["better", "worse", "inconclusive"]
LEAST = 3


@dataclass(frozen=True)
class Verdict:
    """What may be claimed of one contrast among those that were judged together.

    `p_adjusted` is Holm's over all of them; `seeds` in each arm would decide at 80 % power if the difference were the
    one that was seen, at the level that the strictest of them is held to; none: not known, or more than 1,000.
    """

    word: Word
    p_adjusted: float | None
    seeds: int | None
    why: str


def judged(contrasts: Sequence[Contrast], level: float = LEVEL, *, higher_is_better: bool = True) -> list[Verdict]:
    """A verdict for each contrast, the chance of any false claim among all of them at most `level`.

    `higher_is_better` says which differences are good ones.
    """
    tested = [each.p_value for each in contrasts if _enough(each) and each.p_value is not None]
    adjusted = iter(holm(tested))
    strictest = level / max(len(tested), 1)
    found: list[Verdict] = []
    for each in contrasts:
        seeds = seeds_to_decide(each, strictest, LEAST)
        if _enough(each) and each.p_value is not None:
            found.append(_verdict(each, next(adjusted), level, len(tested), seeds, higher_is_better))
        else:
            found.append(Verdict("inconclusive", None, seeds, _too_few(each)))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p value adjusted for all of them, in the given order (Holm 1979)."""
    count, worst = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, place in enumerate(sorted(range(count), key=lambda place: p_values[place])):
        worst = max(worst, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def _enough(contrast: Contrast) -> bool:
    return contrast.difference.count >= LEAST


def _verdict(
    contrast: Contrast, adjusted: float, level: float, claims: int, seeds: int | None, higher_is_better: bool
) -> Verdict:
    after = f", {adjusted:.3g} after Holm over {claims} claims" if claims > 1 else ""
    why = f"p = {contrast.p_value:.3g}{after}"
    if contrast.spread == 0:
        same = "every difference is 0" if contrast.difference.value == 0 else "nothing varies, so only signs are tested"
        why = f"{same}; {why}"
    if adjusted >= level:
        return Verdict("inconclusive", adjusted, seeds, why)
    return Verdict("better" if (contrast.difference.value > 0) == higher_is_better else "worse", adjusted, seeds, why)


def _too_few(contrast: Contrast) -> str:
    what = "pairs of one seed" if contrast.paired else "runs of each"
    return f"a verdict takes {LEAST} {what}: of fewer the spread is not known well enough to judge by"
