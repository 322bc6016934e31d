"""Successive halving without waiting: which trials go on, from numbers alone; it stops none and reads no file.

ASHA (Li et al. 2020, arXiv:1810.05934) in its form for trainings that stream: a trial is judged when it reaches a rung,
among all that reached it so far. Hyperband (Li et al. 2018, arXiv:1603.06560) has brackets whose first rung is later,
as a guard against curves that cross; trials go to the brackets in turns, as many to each as its Algorithm 1 has.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import ceil

from trainer.contract.sweep_config import PrunerConfig


def rungs(pruner: PrunerConfig, whole: int, trial: int) -> tuple[int, ...]:
    """The agent-steps at which a trial is looked at; `whole` is what a whole training has."""
    if pruner.type == "none":
        return ()
    places = range(bracket(pruner, whole, trial), _halvings(pruner, whole) + 1)
    every = (pruner.min_agent_steps * pruner.reduction_factor**place for place in places)
    return tuple(steps for steps in every if steps < whole)


def bracket(pruner: PrunerConfig, whole: int, trial: int) -> int:
    """How many rungs are left out for a trial, s_max - s; it is judged among those for which as many are."""
    if pruner.type != "hyperband":
        return 0
    factor, halvings = pruner.reduction_factor, _halvings(pruner, whole)
    sizes = [ceil((halvings + 1) * factor**s / (s + 1)) for s in range(halvings, -1, -1)]
    ends = accumulate(sizes)
    return next(left_out for left_out, end in enumerate(ends) if trial % sum(sizes) < end)


def goes_on(value: float, others: Sequence[float], factor: int, *, maximize: bool) -> bool:
    """Whether a value is among the best 1/`factor` of itself and the others, at least the best; ties go on."""
    sign = 1 if maximize else -1
    better = sum(sign * other > sign * value for other in others)
    return better < max(1, (len(others) + 1) // factor)


def _halvings(pruner: PrunerConfig, whole: int) -> int:
    """How often the fewest agent-steps can be multiplied before they are more than the whole: s_max."""
    times = 0
    while pruner.min_agent_steps * pruner.reduction_factor ** (times + 1) <= whole:
        times += 1
    return times
