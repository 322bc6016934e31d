"""`axiom run` of a composition: what its phases would be, and what became of them; it decides nothing itself."""

import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from axiom_dagster.cli.answer import FAILED, answer_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from axiom_dagster.cli.display import Shown
    from axiom_dagster.compositions.experiment import Outcome
    from axiom_dagster.overriding import AnyCompute
    from resources.skypilot.job_config import SkypilotJobConfig
    from trainer.contract.composition import Composition
    from trainer.contract.composition_course import Phase

COLORS = {"ran": "green", "kept": "green", "skipped": "dim", "failed": "red", "cancelled": "yellow"}
WIDTH = 136  # No name and no condition is cut.
MARKS = {"ran": "✓", "kept": "✓", "skipped": "·", "failed": "✗", "cancelled": "✗"}


def run_composition(composition: "Composition", compute: "AnyCompute", *, as_json: bool) -> None:
    """Run what is missing, phase after phase, and show what became of each; exit code 1 unless all of it stands."""
    from axiom_dagster.compositions.experiment import CompositeExperiment

    experiment = CompositeExperiment(composition).prepare()
    with _shown() as shown:
        outcomes = experiment.run(compute=compute, told=lambda outcome: _tell(shown, outcome))
    stopped = [each for each in outcomes if each.what in ("failed", "cancelled")]
    _show_ended(composition, outcomes, to_stderr=as_json)
    if as_json:
        answer_json({"composition": composition.name, "phases": [each.plain() for each in outcomes]})
    if stopped:
        raise typer.Exit(FAILED)


def show_composition(
    composition: "Composition", rented: "SkypilotJobConfig | None", words: Sequence[str], *, as_json: bool
) -> None:
    """List the phases: what each begins with, when it runs, and the most that it trains; nothing is made."""
    from axiom_dagster.compositions.experiment import CompositeExperiment
    from axiom_dagster.summary import wide_console

    CompositeExperiment(composition).prepare()
    command, cost = shlex.join(["axiom", "run", *words]), _cost(composition, rented) if rented else None
    if as_json:
        phases = [_plain(composition, name) for name in composition.phases]
        most = {"most_agent_steps": composition.most_agent_steps, "cost": cost}
        answer_json(
            {"launched": False, "composition": composition.name, "phases": phases, **most, "local_command": command}
        )
        return
    console = wide_console()
    console.width = max(console.width, WIDTH)
    console.print(_planned(composition))
    typer.echo(f"# at most {composition.most_agent_steps:,} agent-steps, if every phase runs with all its rounds")
    if cost:
        typer.echo(f"# worst case of all of them: {cost['words']}")
    typer.echo(f"\n# to run it on this machine\n{command}")


@contextmanager
def _shown() -> "Generator[Shown]":
    """As one run is shown; what a step says is its stage's word, whatever the phase."""
    from axiom_dagster.cli.console import stage_words
    from axiom_dagster.cli.display import shown_run
    from axiom_dagster.cli.interrupt import interrupts_cancel

    with shown_run() as display:
        words = stage_words(lambda step, said: display.take(step.rpartition("__")[2], said))
        with words, interrupts_cancel():
            yield display


def _tell(shown: "Shown", outcome: "Outcome") -> None:
    shown.take(_named(outcome), f"{outcome.what}{f': {outcome.why}' if outcome.why else ''}")
    shown.end("succeeded" if outcome.stands or outcome.run is None else outcome.what)


def _planned(composition: "Composition") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("phase", "begins with", "runs", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("agent-steps\nat most", justify="right")
    for name, phase in composition.phases.items():
        runs = [*(f"when {condition}" for condition in phase.when), str(phase.repeat or "once")]
        table.add_row(name, _begins(phase), escape("\n".join(runs)), f"{composition.most_agent_steps_of(name):,}")
    return table


def _begins(phase: "Phase") -> str:
    if not phase.initialize_from:
        return "new weights"
    part = "weights" if phase.load == "weights" else "all"
    return f"{part} of {' or '.join(phase.initialize_from)}{' (best)' * (phase.checkpoint == 'best')}"


def _plain(composition: "Composition", name: str) -> dict[str, Any]:
    phase, spec = composition.phases[name], composition.specs[name]
    told = phase.model_dump(mode="json", exclude={"set", "overrides"})
    most = composition.most_agent_steps_of(name)
    return {"phase": name, **told, "spec_hash": spec.spec_hash, "most_agent_steps": most}


def _cost(composition: "Composition", rented: "SkypilotJobConfig") -> dict[str, Any]:
    """The bound of one run, which the price and the job's limits make, times the most runs."""
    from resources.skypilot.plan import plan_of
    from resources.skypilot.service import get_skypilot_service

    runs = sum(phase.rounds for phase in composition.phases.values())
    plan = plan_of(next(iter(composition.specs.values())), rented, get_skypilot_service().sky)
    most = None if plan.estimate.most_dollars is None else plan.estimate.most_dollars * runs
    total = "no price is known" if most is None else f"${most:.2f}"
    return {"runs": runs, "most_dollars": most, "words": f"{total}, {runs} × ({plan.estimate})"}


def _show_ended(composition: "Composition", outcomes: "Sequence[Outcome]", *, to_stderr: bool) -> None:
    """All phases once more, and where to look."""
    from axiom_dagster.compositions.definitions import job_name
    from axiom_dagster.summary import wide_console
    from resources.home import EXPERIMENTS_LOCATION

    console = wide_console(stderr=to_stderr)
    console.width = max(console.width, WIDTH)
    console.print()
    console.print(composition.name, style="bold")
    console.print(ended_table(outcomes))
    if not (last := outcomes[-1]).stands and last.what != "skipped":
        say(f"{last.phase} {last.what}; the same command goes on from there, and runs nothing twice that stands")
    page = f"http://127.0.0.1:3000/locations/{EXPERIMENTS_LOCATION}/jobs/{job_name(composition)}"
    console.print(f"{'UI':<10} make ui (or: axiom ui), then {page}", markup=False)


def ended_table(outcomes: "Sequence[Outcome]") -> "Table":
    """One line a round: what became of it, what it earned, what it began with."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table("", "phase", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("round", justify="right")
    table.add_column("outcome")
    table.add_column("mean reward\n\\[95 %]", justify="right", no_wrap=True)
    table.add_column("began with", no_wrap=True)
    table.add_column("run, or why there is none")
    names = {each.run.instance_name: _named(each) for each in outcomes if each.run}
    for each in outcomes:
        mark, color = MARKS[each.what], COLORS[each.what]
        began = names.get(each.began_with or "", each.began_with or "")
        cells = (escape(_reward(each)), began, escape(_run_or_why(each)))
        table.add_row(Text(mark, style=color), each.phase, str(each.round), Text(each.what, style=color), *cells)
    return table


def _named(outcome: "Outcome") -> str:
    return outcome.phase if outcome.round == 1 else f"{outcome.phase}, round {outcome.round}"


def _run_or_why(outcome: "Outcome") -> str:
    run = [outcome.run.instance_name] if outcome.run else []
    return "\n".join([*run, *([outcome.why] if outcome.what not in ("ran", "kept") and outcome.why else [])])


def _reward(outcome: "Outcome") -> str:
    """Each simulation's mean with its interval."""
    if outcome.run is None or not outcome.stands:
        return ""
    results = outcome.run.read("evaluate").eval_results
    one = len(results) == 1
    return "\n".join(
        f"{'' if one else f'{name} '}{each.reward.mean:.3g} [{each.reward.low:.3g}, {each.reward.high:.3g}]"
        for name, each in results.items()
    )
