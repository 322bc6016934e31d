"""The first trials of a sweep, as far as they depend on no result; nothing is written for the question."""

from typing import Any

from axiom_dagster.sweeps.breeding import Breeding
from axiom_dagster.sweeps.sampling import Sampling
from axiom_dagster.sweeps.search import name_of
from trainer.contract.sweep import Sweep


def first_trials(sweep: Sweep, most: int) -> dict[str, dict[str, Any]]:
    """The values of at most so many trials, by the trials' names; of a population its whole first generation."""
    if sweep.population is not None:
        breeding = Breeding(sweep)
        return {name_of(sweep, number): breeding.ask().params for number in range(sweep.together)}
    bounds = [most, sweep.budget.runs, sweep.size]
    if sweep.sampler.type in ("tpe", "cma_es"):
        bounds.append(sweep.sampler.startup_trials)
    sampling, found = Sampling(sweep), dict[str, dict[str, Any]]()
    for number in range(min(bound for bound in bounds if bound is not None)):
        found[name_of(sweep, number)] = sampling.ask().params
        sampling.tell("failed", None)
    return found
