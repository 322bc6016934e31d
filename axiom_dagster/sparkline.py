"""Numbers as a line of small blocks for a terminal; it never fills in one that is missing."""

from collections.abc import Iterator, Sequence
from math import fsum, isfinite

BLOCKS = "▁▂▃▄▅▆▇█"
MISSING, EQUAL = " ", "▄"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """One block a value, the lowest `▁`, the highest `█`; where all are equal, `▄`.

    More values than `width` become `width` means of neighbours. None and what is not finite is missing: it is left out
    of means, and alone it is a gap.
    """
    means = list(_means(values, width))
    known = [mean for mean in means if mean is not None]
    if not known:
        return MISSING * len(means)
    low, high = min(known), max(known)
    return "".join(MISSING if mean is None else _block(mean, low, high) for mean in means)


def _block(value: float, low: float, high: float) -> str:
    if high == low:
        return EQUAL
    return BLOCKS[round((value - low) / (high - low) * (len(BLOCKS) - 1))]


def _means(values: Sequence[float | None], width: int) -> Iterator[float | None]:
    size = min(len(values), width)
    for number in range(size):
        part = values[number * len(values) // size : (number + 1) * len(values) // size]
        known = [value for value in part if value is not None and isfinite(value)]
        yield fsum(known) / len(known) if known else None
