"""What a matrix (runs, simulations) of scores says of whole distributions, as Agarwal et al. 2021 define it; no means.

Scores of several simulations belong into one matrix only where they have a common scale.
"""

import numpy as np

from assets.statistics.estimates import LEVEL, Array, Estimate, t_quantile

STEPS = 60  # of bisection: the interval of a floating-point number is exhausted by then


def performance_profile(scores: Array, thresholds: Array) -> Array:
    """For each threshold, the part of all runs of all simulations whose score is above it."""
    return (scores.ravel() > thresholds[:, None]).mean(axis=1)


def improvement(first: Array, second: Array) -> float:
    """The probability that a run of `first` beats one of `second`, ties as half, mean over simulations.

    `first` is `(runs, simulations)`, `second` `(other runs, simulations)` (Mann and Whitney 1947).
    """
    one, other = first[:, None, :], second[None, :, :]
    return float(((one > other) + 0.5 * (one == other)).mean())


def improvement_estimate(first: Array, second: Array, level: float = LEVEL) -> Estimate:
    """The same in one simulation, of runs `(n,)` and `(m,)`, with Newcombe's score interval (2006, method 5).

    Its ends are the probabilities that lie `t` of their own standard errors from what was seen, so it does not collapse
    where every run of one side beats every run of the other. Student's t with n + m - 2 degrees of freedom stands in
    the place of the normal quantile, with which it covers too little of three runs. No interval of a single run.
    """
    value, sizes = improvement(first[:, None], second[:, None]), (len(first), len(second))
    if min(sizes) < 2:
        return Estimate(value, None, None, min(sizes))
    t = t_quantile(sum(sizes) - 2, level)
    low, high = (_end(value, bound, t, sizes) for bound in (0.0, 1.0))
    return Estimate(value, low, high, min(sizes))


def _end(value: float, bound: float, t: float, sizes: tuple[int, int]) -> float:
    """The farthest probability from `value` towards `bound` that is within t standard errors of it."""
    near, far = value, bound
    for _ in range(STEPS):
        middle = (near + far) / 2
        inside = abs(value - middle) <= t * _error(middle, sizes)
        near, far = (middle, far) if inside else (near, middle)
    return near


def _error(probability: float, sizes: tuple[int, int]) -> float:
    """Standard error of the Mann-Whitney estimate at this probability (Hanley and McNeil 1982)."""
    p, (n, m) = probability, sizes
    others = (n + m) / 2 - 1
    return float(np.sqrt(p * (1 - p) * (1 + others * ((1 - p) / (2 - p) + p / (1 + p))) / (n * m)))
