"""`axiom runs` and `axiom show`: what ran, from whatever door, newest first; they change nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals
from axiom_dagster.cli.run import plain_run

if TYPE_CHECKING:
    from axiom_dagster.listing import Line

Limit = Annotated[int, typer.Option(min=1, help="How many.")]
Experiment = Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of specs of this name.")]
Status = Annotated[
    Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] | None,
    typer.Option(help="Only runs that are so now."),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Only runs with this seed.")]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="TAG",
        help="Only runs that were given this tag, or with KEY=VALUE this Dagster tag "
        "(`axiom/overrides=train.compute_advantage=vtrace`); repeatable: all of them.",
    ),
]
OldestFirst = Annotated[bool, typer.Option("--oldest-first", help="Begin with the oldest instead of the newest.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="An instance name, a run id, or how an id begins.")]


def runs(
    limit: Limit = 20,
    experiment: Experiment = None,
    status: Status = None,
    seed: Seed = None,
    tags: Tags = None,
    oldest_first: OldestFirst = False,
    as_json: AsJson = False,
) -> None:
    """List the newest runs of this home, or those that were asked for."""
    from axiom_dagster.listing import Wanted, lines

    wanted = Wanted(experiment, status, seed, _pairs(tags or ()))
    found = lines(wanted, limit=limit, oldest_first=oldest_first)
    if as_json:
        answer_json({"runs": [line.plain() for line in found]})
        return
    from axiom_dagster.summary import wide_console

    nothing = "no runs yet: try `axiom run quick`" if wanted == Wanted() else "no such runs"
    wide_console().print(_table(found) if found else nothing)


def _pairs(tags: Sequence[str]) -> dict[str, str]:
    """Dagster's tags: `fast` is short for `axiom/tag=fast`."""
    split = (tag.partition("=") for tag in tags)
    return {key if equals else "axiom/tag": value if equals else key for key, equals, value in split}


def show(run: RunName, as_json: AsJson = False) -> None:
    """Show one run: its results and where its files are."""
    with refusals(as_json=as_json):
        from axiom_dagster.run_handle import RunHandle

        handle = RunHandle.of(run)
        if as_json:
            answer_json(plain_run(handle))
            return
        from axiom_dagster.summary import show_summary

        show_summary(handle, to_stderr=False)


def _table(lines: "Sequence[Line]") -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("run", "status", "tag", "created (UTC)", "mean reward"):
        table.add_column(column, no_wrap=True)
    for line in lines:
        rewards = "  ".join(f"{name} {reward:.3g}" for name, reward in line.mean_reward.items())
        created = f"{line.created_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(line.instance_name, line.status, line.tag or "", created, rewards)
    return table
