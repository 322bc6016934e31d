"""The command line of a recipe: its options to a config, its jobs run or shown; what the jobs are is the recipe's."""

import inspect
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say
from axiom_dagster.cli.matrix import shown_matrix
from axiom_dagster.cli.rented import show_plans
from axiom_dagster.cli.run import Overrides, Values, plain_run, shown
from axiom_dagster.recipes.experiment import ConfigT, Experiment, TrainingJob
from axiom_dagster.recipes.options import ConfigOption, config_options, configured, flags_spelled_out
from axiom_dagster.variants.rows import Rows


def runner(experiment: type[Experiment[ConfigT]], config: type[ConfigT], words: Sequence[str] | None = None) -> None:
    """Run a recipe's command line, by default this process's, and end: 0 done, 1 a run failed, 2 refused.

    `--no-launch` shows all that would happen and launches nothing.
    """
    given = list(sys.argv[1:] if words is None else words)
    try:
        with refusals(as_json="--json" in given):
            spelled = flags_spelled_out(given, config)
    except typer.Exit as refused:
        raise SystemExit(refused.exit_code) from None
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=_first_paragraph(experiment))(_command(experiment, config, given))
    app(args=spelled, prog_name=f"python {sys.argv[0]}")


def _command(experiment: type[Experiment[ConfigT]], config: type[ConfigT], words: Sequence[str]) -> Callable[..., None]:
    """A function whose parameters are the options; Typer reads them from its signature."""

    def run(values: list[str] | None, overrides: list[str] | None, as_json: bool, **options: Any) -> None:
        with refusals(as_json=as_json):
            made = configured(config, options)
            recipe = experiment(made, values=values or (), overrides=overrides or ())  # pyright: ignore[reportArgumentType]
            if not made.launch:
                _show(recipe, words, as_json=as_json)
                return
            jobs = _run(recipe)
        _answer(jobs, as_json=as_json)

    parameters = [_parameter(option) for option in config_options(config)]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in (
            ("values", Values, None),
            ("overrides", Overrides, None),
            ("as_json", AsJson, False),
        )
    ]
    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(option: ConfigOption) -> inspect.Parameter:
    dashed = option.name.replace("_", "-")
    if option.is_flag:
        shown = typer.Option(f"--{dashed}/--no-{dashed}", help=f"{option.help} [default: {option.default}]")
        annotation: Any = Annotated[bool | None, shown]
    else:
        default = "" if option.default in (None, "", (), {}) else f" [default: {option.default}]"
        metavar = getattr(option.kind, "__name__", "value").upper()
        annotation = Annotated[str | None, typer.Option(f"--{dashed}", help=option.help + default, metavar=metavar)]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _run(recipe: Experiment[Any]) -> list[TrainingJob]:
    if recipe.config.launch and not recipe.config.previous_job_ids and recipe.goes_through_queue:
        rows = Rows()
        with shown_matrix(recipe.config.name) as matrix:
            return recipe.run(lambda standings: matrix.take(rows.look(standings)))
    with shown() as display:
        jobs = recipe.run()
        display.end(next((job.run.status for job in reversed(jobs) if job.run), "not begun"))
    return jobs


def _answer(jobs: Sequence[TrainingJob], *, as_json: bool) -> None:
    """The summary of every run; exit code 1 if one did not succeed or was not begun."""
    from axiom_dagster.summary import show_summary

    runs = [job.run for job in jobs if job.run is not None]
    for run in runs:
        show_summary(run, to_stderr=as_json)
    if as_json:
        answer_json({"jobs": [{"label": job.label, "run": plain_run(job.run) if job.run else None} for job in jobs]})
    if len(runs) < len(jobs):
        say(f"{len(jobs) - len(runs)} of {len(jobs)} jobs were not begun")
    if len(runs) < len(jobs) or any(run.status != "succeeded" for run in runs):
        raise typer.Exit(FAILED)


def _show(recipe: Experiment[Any], words: Sequence[str], *, as_json: bool) -> None:
    show_plans(recipe.plans(), local_command(f"python {_script()}", words), as_json=as_json)


def local_command(program: str, words: Sequence[str]) -> str:
    """The same command, launched and computed on this machine."""
    kept: list[str] = []
    given = iter(words)
    for word in given:
        if word == "--compute":
            next(given, None)
        elif word.partition("=")[0] not in ("--compute", "--launch", "--no-launch", "--json"):
            kept.append(shlex.quote(word))
    return " ".join([program, *kept, "--compute=local"])


def _script() -> str:
    script = Path(sys.argv[0])
    return shlex.quote(str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script))


def _first_paragraph(experiment: type[Any]) -> str:
    return (inspect.getdoc(experiment) or experiment.__name__).partition("\n\n")[0]
