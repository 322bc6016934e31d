"""`axiom jobs`: the rented jobs, whose they are and what they cost; their logs; their end. It launches nothing."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say

if TYPE_CHECKING:
    from axiom_dagster.rented import OwnedJob
    from resources.skypilot.service import SkyPilotService

COLUMNS = ("job", "id", "mode", "state", "resources", "started (UTC)", "cost", "run")
jobs_app = typer.Typer(help="List, read and cancel rented jobs.", invoke_without_command=True)

JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's name, its run's instance name, or SkyPilot's id of it.")
]
Follow = Annotated[bool, typer.Option("--follow/--no-follow", help="Go on until the job ends.")]


@jobs_app.callback()
def jobs(context: typer.Context, as_json: AsJson = False) -> None:
    """List every job of ours that SkyPilot knows: state, cost so far, the run that owns it."""
    if context.invoked_subcommand is not None:
        return
    with _answered(as_json=as_json):
        from axiom_dagster.rented import owned_jobs
        from resources.home import dagster_instance

        with dagster_instance() as instance:
            found = owned_jobs(_service(context), instance)
        if as_json:
            answer_json({"jobs": [job.plain() for job in found]})
            return
        _print_table(found)


@jobs_app.command()
def logs(context: typer.Context, job: JobName, follow: Follow = True, as_json: AsJson = False) -> None:
    """Print a job's log; with --json all that it has said so far."""
    with _answered(as_json=as_json):
        service = _service(context)
        lines = service.logs(job, follow=follow and not as_json)
        if as_json:
            answer_json({"job": service.job(job).name, "lines": list(lines)})
            return
        for line in lines:
            typer.echo(line)


@jobs_app.command()
def cancel(context: typer.Context, job: JobName, as_json: AsJson = False) -> None:
    """Ask for a job's end. To end a run with all that belongs to it, terminate the run."""
    with _answered(as_json=as_json):
        ended = _service(context).cancel(job)
        if as_json:
            answer_json({"job": ended.plain()})
            return
        typer.echo(f"{ended.name}: {ended.state.value if ended.state.final else 'told to end'}")


def _service(context: typer.Context) -> "SkyPilotService":
    """This machine's, or the one that the caller of the command gave."""
    from resources.skypilot.service import SkyPilotService, get_skypilot_service

    return context.obj if isinstance(context.obj, SkyPilotService) else get_skypilot_service()


@contextmanager
def _answered(*, as_json: bool) -> Generator[None]:
    """End with exit code 1 where SkyPilot could not be asked, and with 2 where the input is refused."""
    from resources.skypilot.remote import SkyPilotError

    with refusals(as_json=as_json):
        try:
            yield
        except SkyPilotError as error:
            say(f"failed: {error}")
            if as_json:
                answer_json({"error": str(error), "said": error.said, "remedy": error.remedy})
            raise typer.Exit(FAILED) from None


def _print_table(found: "list[OwnedJob]") -> None:
    from rich.table import Table

    from axiom_dagster.summary import wide_console

    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    for job in found:
        table.add_row(*_cells(job))
    wide_console().print(table if found else "no jobs")


def _cells(job: "OwnedJob") -> Iterator[str]:
    row = job.row
    yield from (row.name, str(row.job_id), row.mode, row.state, row.resources or "-")
    yield f"{row.started_at:%Y-%m-%d %H:%M}" if row.started_at else "-"
    yield "unknown" if job.dollars is None else f"${job.dollars:.2f}"
    yield f"{job.run_id[:8]} {job.run_status}" if job.run_id else "of no run here"
