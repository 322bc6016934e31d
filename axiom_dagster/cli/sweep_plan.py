"""`axiom sweep --no-launch`: the space, the first trials, the budget, how far it is; nothing is written or launched."""

from typing import TYPE_CHECKING

import typer

from axiom_dagster.cli.answer import answer_json
from axiom_dagster.cli.sweep_table import describe
from axiom_dagster.sweeps.beginning import first_trials
from axiom_dagster.sweeps.figures import short_names
from axiom_dagster.sweeps.journal import Asked, read_journal
from axiom_dagster.sweeps.pruning import rungs
from trainer.contract.space import Choices, Dimension, number_at

if TYPE_CHECKING:
    from rich.table import Table

    from axiom_dagster.sweeps.experiment import SweepExperiment
    from trainer.contract.sweep import Sweep

SHOWN = 5


def show_plan(experiment: "SweepExperiment", command: str, *, as_json: bool) -> None:
    """What would be tried, as text or as one JSON object."""
    sweep = experiment.sweep
    begun = sum(isinstance(entry, Asked) for entry in read_journal(experiment.folder))
    first, most = first_trials(sweep, SHOWN), most_agent_steps(sweep)
    if as_json:
        plain = {
            "launched": False,
            "sweep": sweep.name,
            "points": sweep.size,
            "begun": begun,
            "first": [*first.values()],
        }
        answer_json({**plain, "most_agent_steps": most, "local_command": command})
        return
    from axiom_dagster.summary import wide_console

    wide_console().print(_space(sweep))
    typer.echo(
        f"\n# {sweep.direction} {sweep.metric}; {_searched(sweep)}\n# {_pruned(sweep)}\n# budget: {_budget(sweep)}"
    )
    for name, params in first.items():
        typer.echo(f"{name}  {describe(params)}")
    typer.echo(f"\n# {f'{begun} trials have begun; this goes on' if begun else 'to run it on this machine'}\n{command}")


def most_agent_steps(sweep: "Sweep") -> int | None:
    """What all trainings together have at most; none where only money bounds them."""
    each = sweep.population.interval if sweep.population else sweep.base.trainer.agent_steps
    runs = min((bound for bound in (sweep.budget.runs, _most_runs(sweep)) if bound is not None), default=None)
    known = [bound for bound in (None if runs is None else runs * each, sweep.budget.agent_steps) if bound is not None]
    return min(known, default=None)


def _most_runs(sweep: "Sweep") -> int | None:
    """How many there are without a budget; none: infinitely many."""
    if sweep.population is not None:
        return sweep.population.members * sweep.population.generations(sweep.base)
    return sweep.size if sweep.sampler.type == "grid" else None


def _space(sweep: "Sweep") -> "Table":
    from rich.table import Table

    table = Table("value", "is", "path", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for path, name in short_names(sweep.space).items():
        table.add_row(name, _words(path, sweep.space[path]), path)
    return table


def _words(path: str, each: Dimension) -> str:
    if isinstance(each, Choices):
        return f"one of {', '.join(map(str, each.values))}"
    step = f", in steps of {each.step:g}" if each.step else ", whole numbers" if number_at(path) is int else ""
    return f"{each.low:g} to {each.high:g}{', by its logarithm' if each.log else ''}{step}"


def _searched(sweep: "Sweep") -> str:
    points = "infinitely many points" if sweep.size is None else f"{sweep.size:,} points"
    if population := sweep.population:
        generations = f"{population.generations(sweep.base)} generations of {population.interval:,} agent-steps"
        return f"{population.members} members over {points}, {generations}, seed {sweep.sampler.seed}"
    return f"{sweep.sampler.type} over {points}, seed {sweep.sampler.seed}"


def _pruned(sweep: "Sweep") -> str:
    if population := sweep.population:
        factors = " or ".join(f"{factor:g}" for factor in population.factors)
        return (
            f"after each generation the worst {population.replaced} of {population.members} go on from the best "
            f"{population.replaced}, each value times {factors}, or drawn anew ({population.resample:.0%})"
        )
    looks = rungs(sweep.pruner, sweep.base.trainer.agent_steps, 0)
    if not looks:
        return f"no trial is stopped early; each trains {sweep.base.trainer.agent_steps:,} agent-steps"
    at = ", ".join(f"{each:,}" for each in looks)
    return (
        f"{sweep.pruner.type} by {sweep.pruner.metric} at {at} of {sweep.base.trainer.agent_steps:,} agent-steps; "
        f"1 in {sweep.pruner.reduction_factor} goes on"
    )


def _budget(sweep: "Sweep") -> str:
    budget, most = sweep.budget, most_agent_steps(sweep)
    parts = [f"{budget.runs} runs"] if budget.runs is not None else []
    if budget.dollars is not None:
        parts.append(f"${budget.dollars:.2f} at ${budget.dollars_per_hour:.2f} an hour")
    if most is not None:
        parts.append(f"at most {most:,} agent-steps in all")
    return ", ".join(parts)
