"""How a coefficient falls over training; never steps anything."""

from math import cos, pi
from typing import Literal

Schedule = Literal["constant", "linear", "cosine"]


def scheduled(start: float, schedule: Schedule, progress: float) -> float:
    """The value at `progress` in [0, 1]: `start`, `start * (1 - p)`, or `start * (1 + cos(pi p)) / 2` (cosine
    annealing, Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    match schedule:
        case "constant":
            return start
        case "linear":
            return start * (1 - progress)
        case "cosine":
            return start * (1 + cos(pi * progress)) / 2
