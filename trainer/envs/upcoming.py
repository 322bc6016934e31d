"""The seeds of the episodes to come, in each environment's own order, and what they begin with; it begins none."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_SEED = 2**31 - 1
# Short episodes cost less than what they begin with, unless that is made for many at once.
_AHEAD = 16


class Upcoming:
    """The next episodes of n environments; each draws its seeds from a generator of its own, whatever the others do.

    `first` makes of seeds (n,) what each episode begins with, one for each.
    """

    def __init__(self, seeds: Sequence[int], first: Callable[[NDArray[np.int64]], Iterable[Any]]) -> None:
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._waiting: list[deque[tuple[int, Any]]] = [deque() for _ in seeds]
        self._first = first

    def next(self, rows: Sequence[int]) -> list[tuple[int, Any]]:
        """The seed of the next episode in each of these environments, and what it begins with."""
        waiting = [self._waiting[row] for row in rows]
        if not all(waiting):
            self._draw()
        return [own.popleft() for own in waiting]

    def _draw(self) -> None:
        missing = [_AHEAD - len(own) for own in self._waiting]
        seeds = np.concatenate(
            [own.integers(_LARGEST_SEED, size=count) for own, count in zip(self._generators, missing, strict=True)]
        )
        drawn = zip(seeds.tolist(), self._first(seeds), strict=True)
        for own, count in zip(self._waiting, missing, strict=True):
            own.extend(islice(drawn, count))
