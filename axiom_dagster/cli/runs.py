"""`axiom runs` and `axiom show`: what ran, from whatever door, newest first; they change nothing."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals
from axiom_dagster.cli.run import plain_run

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
Sort = Annotated[
    Literal["created", "reward", "experiment", "status", "duration"],
    typer.Option(
        help="The newest, the highest reward (mean over simulations), the longest first; words from a to z. "
        "`created` orders all runs; the others order the newest `--limit` of those that were asked for."
    ),
]
Reverse = Annotated[
    bool,
    typer.Option(
        "--reverse", "--oldest-first", help="The other way round: the oldest, the lowest, the shortest first."
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="An instance name, a run id, or how an id begins.")]


def runs(
    limit: Limit = 20,
    experiment: Experiment = None,
    status: Status = None,
    seed: Seed = None,
    tags: Tags = None,
    sort: Sort = "created",
    reverse: Reverse = False,
    as_json: AsJson = False,
) -> None:
    """List the newest runs of this home, or those that were asked for."""
    from axiom_dagster.listing import Wanted, in_order, lines

    wanted = Wanted(experiment, status, seed, _pairs(tags or ()))
    with refusals(as_json=as_json):
        found = lines(wanted, limit=limit, oldest_first=reverse and sort == "created")
    if sort != "created":
        found = in_order(found, sort, reverse=reverse)
    if as_json:
        answer_json({"runs": [line.plain() for line in found]})
    elif found:
        from axiom_dagster.cli.runs_table import show_table

        show_table(found)
    else:
        typer.echo("no runs yet: try `axiom run quick`" if wanted == Wanted() else "no such runs")


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
