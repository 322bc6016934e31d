"""`axiom verify`: repeats a run's training beside its record, bit for bit; it changes nothing."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say

if TYPE_CHECKING:
    from trainer.contract import Progress
    from trainer.contract.verification import Verification

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="An instance name, a run id, how an id begins, or a run directory.")
]
Updates = Annotated[
    int | None, typer.Option(min=0, help="Repeat no more than the first N updates; 0: compare files and conditions.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Repeat with another value; repeatable.")
]


def verify(run: RunName, updates: Updates = None, changes: Changes = None, as_json: AsJson = False) -> None:
    """Repeat a run's training and compare it update by update; exit code 0 identical, 1 different, 2 not comparable."""
    with refusals(as_json=as_json):
        from axiom_dagster.comparison import run_directory_of
        from resources.verifying import verification_of

        found = verification_of(run_directory_of(run), updates, changes or (), _show)
    for line in found.lines():
        typer.echo(line, err=as_json)
    if as_json:
        answer_json(_plain(found))
    if found.verdict != "identical":
        raise typer.Exit(FAILED)


def _show(progress: "Progress") -> None:
    say(f"identical so far: {progress.done:,} of {progress.total:,} agent-steps")


def _plain(found: "Verification") -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "bits_identical": found.bits_identical,
        **found.plain(),
        "identity": [change.path for change in found.identity],
        "suspect": found.suspect,
    }
