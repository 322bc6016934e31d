"""Puts the commands of `axiom` together; what they do is imported only when one of them runs."""

import atexit
import gc
from typing import Annotated

import typer

from axiom_dagster.cli.compare import compare
from axiom_dagster.cli.conform import conform
from axiom_dagster.cli.diff import diff
from axiom_dagster.cli.exposed import exposed
from axiom_dagster.cli.jobs import jobs_app
from axiom_dagster.cli.reconcile import reconcile
from axiom_dagster.cli.replay import replay
from axiom_dagster.cli.report import report
from axiom_dagster.cli.run import run
from axiom_dagster.cli.runs import runs, show
from axiom_dagster.cli.spec import spec_app
from axiom_dagster.cli.sweep import sweep
from axiom_dagster.cli.sync import sync
from axiom_dagster.cli.ui import env, ui
from axiom_dagster.cli.verify import verify
from axiom_dagster.cli.watch import watch

# What a command loads stays until it ends: Python's usual 700 have all of it looked through five times on the way.
OBJECTS_BETWEEN_COLLECTIONS = 20_000

app = typer.Typer(
    help="Reproducible reinforcement-learning experiments on Dagster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(sweep)
app.command()(runs)
app.command()(show)
app.command()(watch)
app.command()(verify)
app.command()(sync)
app.command()(diff)
app.command()(compare)
app.command()(replay)
app.command()(report)
app.command()(exposed)
app.command()(conform)
app.command()(reconcile)
app.command()(ui)
app.command()(env)
app.add_typer(jobs_app, name="jobs")
app.add_typer(spec_app, name="spec")


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("axiom_dagster"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Reproducible reinforcement-learning experiments on Dagster."""


def main() -> None:
    """The entry point of the command `axiom`."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    # Else the process, its work done, looks once more through all that it frees anyway.
    atexit.register(gc.freeze)
    app()
