"""`axiom sweep`: searches a space for the best spec, trial by trial, or only shows how it would; it decides nothing."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say

if TYPE_CHECKING:
    from axiom_dagster.sweeps.search import Search, Trial
    from trainer.contract.sweep import Sweep

WIDE = 1000  # No name in the table is cut.

Source = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's file (.yaml, .json), or a recipe (.py).")]
Launch = Annotated[
    bool, typer.Option("--launch/--no-launch", help="Only show the space, the first trials and the budget.")
]


def sweep(source: Source, launch: Launch = True, as_json: AsJson = False) -> None:
    """Search a space for the best spec. Launched again, a sweep that was stopped or killed goes on."""
    with refusals(as_json=as_json):
        from axiom_dagster.sweeps.experiment import SweepExperiment

        experiment = SweepExperiment(_read(source)).prepare()
        if not launch:
            from axiom_dagster.cli.sweep_plan import show_plan

            show_plan(experiment, shlex.join(["axiom", "sweep", source]), as_json=as_json)
            return
        from axiom_dagster.cli.sweep_table import shown_sweep

        try:
            with shown_sweep() as shown:
                search = experiment.run(shown.take)
        except KeyboardInterrupt:
            say("interrupted; the same command goes on with it")
            raise typer.Exit(FAILED) from None
        _answer(search, experiment.folder, as_json=as_json)


def _read(source: str) -> "Sweep":
    from axiom_dagster.cli.source import recipe_result
    from trainer.contract import Refused
    from trainer.contract.sweep import Sweep, load_sweep

    path = Path(source)
    if path.suffix != ".py":
        return load_sweep(path)
    if not path.is_file():
        raise Refused.one("recipe", source, "no such file")
    found = recipe_result(path, "sweep")
    if not isinstance(found, Sweep):
        raise Refused.one("recipe", source, "defines neither `sweep` nor `create()` with a Sweep; write one of them")
    return found


def _answer(search: "Search", folder: Path, *, as_json: bool) -> None:
    """All trials once more, why it ended, where things are; exit code 1 where no trial succeeded or too many failed."""
    from axiom_dagster.sweeps.ending import has_lost
    from axiom_dagster.sweeps.figures import write_pictures

    pictures, best = write_pictures(search, folder), search.best
    _show_ended(search, folder, pictures, to_stderr=as_json)
    if as_json:
        answer_json({**plain_search(search), "best_file": str(folder / "best.yaml") if best else None})
    if best is None or has_lost(search):
        raise typer.Exit(FAILED)


def plain_search(search: "Search") -> dict[str, Any]:
    """A sweep as far as it came, as JSON types."""
    best = search.best
    return {
        "sweep": search.sweep.name,
        "metric": search.sweep.metric,
        "stopped": search.stopped.why if search.stopped else None,
        "agent_steps": search.used_agent_steps,
        "dollars": search.used_dollars if search.sweep.budget.dollars_per_hour else None,
        "best": best.name if best else None,
        "trials": [_plain(search, trial) for trial in search.trials],
    }


def _plain(search: "Search", trial: "Trial") -> dict[str, Any]:
    ended = trial.ended
    how: dict[str, Any] = {"status": "open", "value": None, "agent_steps": 0, "seconds": 0.0, "why": "", "run": ""}
    if ended is not None:
        how = ended.model_dump(mode="json", include=set(how))
    origin = None if trial.origin is None else search.trials[trial.origin].name
    return {"trial": trial.name, "params": dict(trial.params), "origin": origin, **how}


def _show_ended(search: "Search", folder: Path, pictures: list[Path], *, to_stderr: bool) -> None:
    from axiom_dagster.cli.sweep_table import title, trials_table
    from axiom_dagster.summary import wide_console

    console = wide_console(stderr=to_stderr)
    console.width = WIDE
    console.print()
    console.print(title(search))
    console.print(trials_table(search, search.trials))
    console.print()
    for trial in search.trials:
        if trial.ended and trial.ended.status == "failed":
            console.print(f"{trial.name}: {trial.ended.why}", style="red", markup=False)
    if search.stopped:
        console.print(f"{'ended':<10} {search.stopped.why}", markup=False)
    if search.best is not None:
        console.print(f"{'best':<10} axiom run {shlex.quote(str(folder / 'best.yaml'))}", markup=False)
        for label, words in _beside_best(folder):
            console.print(f"{label:<10} {words}", markup=False)
    for picture in pictures:
        console.print(f"{'picture':<10} {picture}", markup=False)


def _beside_best(folder: Path) -> Iterator[tuple[str, str]]:
    """What else there is of the best trial: where its values came from, and what would show that it is better."""
    from axiom_dagster.sweeps.against_base import FILE, commands
    from axiom_dagster.sweeps.export import LINEAGE

    if (folder / LINEAGE).is_file():
        yield "lineage", str(folder / LINEAGE)
    if (folder / FILE).is_file():
        yield "verdict", " && ".join(commands(folder / FILE))
