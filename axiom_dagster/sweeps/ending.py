"""Why a sweep ends: its budget, its points, its generations, its failures; it knows trials and ends none."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axiom_dagster.sweeps.search import Search
    from trainer.contract.sweep_population import PopulationConfig

MOST_FAILED_IN_A_ROW = 3


def why_to_stop(search: "Search") -> str | None:
    """Why no trial is begun any more, whatever its values would be; none where one is."""
    population = search.sweep.population
    why = _why_of_trials(search) if population is None else _why_of_population(search, population)
    return why or _why_of_budget(search)


def why_not_to_begin(search: "Search", agent_steps: int) -> str | None:
    """Why what would train so many agent-steps is not begun; none where it is."""
    bound = search.sweep.budget.agent_steps
    if bound is None or search.used_agent_steps + agent_steps <= bound:
        return None
    what = "training" if search.sweep.population is None else "generation"
    return f"of the budget of {bound:,} agent-steps {search.used_agent_steps:,} are used: no whole {what} fits"


def has_lost(search: "Search") -> bool:
    """Whether the last trials all failed: three in a row, or a whole generation."""
    failed = [trial.ended is not None and trial.ended.status == "failed" for trial in search.trials]
    return all(failed[-max(MOST_FAILED_IN_A_ROW, search.sweep.together) :])


def _why_of_trials(search: "Search") -> str | None:
    begun = len(search.trials)
    if search.failed_in_a_row >= MOST_FAILED_IN_A_ROW:
        return f"{MOST_FAILED_IN_A_ROW} trials failed in a row; the last one: {_last_words(search)}"
    if search.sweep.sampler.type == "grid" and begun == search.sweep.size:
        return f"all {begun} points of the grid were tried"
    return None


def _why_of_population(search: "Search", population: "PopulationConfig") -> str | None:
    done, whole = len(search.trials) // population.members, population.generations(search.sweep.base)
    if search.trials and all(trial.value is None for trial in search.trials[-population.members :]):
        why = f"all {population.members} members of generation {done - 1} failed; the last one: {_last_words(search)}"
        return f"{why}; with that mended, give the sweep another name"
    return f"all {whole} generations were trained" if done == whole else None


def _why_of_budget(search: "Search") -> str | None:
    budget, begun = search.sweep.budget, len(search.trials)
    if budget.runs is not None and begun + search.sweep.together > budget.runs:
        left = "" if begun == budget.runs else f": {begun} were begun, and no whole generation fits"
        return f"the budget of {budget.runs} runs is used{left}"
    if budget.dollars is not None and search.used_dollars >= budget.dollars:
        return f"the budget of ${budget.dollars:.2f} is used: ${search.used_dollars:.2f}"
    return None


def _last_words(search: "Search") -> str:
    last = search.trials[-1].ended
    return last.why if last else ""
