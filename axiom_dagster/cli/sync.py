"""`axiom sync`: uploads runs that were tracked offline to W&B, each point once; it changes no run."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say

if TYPE_CHECKING:
    from resources.wandb.uploading import Uploaded

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN]…", help="Instance names, ids or run directories; none: all that were tracked."),
]
Again = Annotated[bool, typer.Option("--again", help="Ask the server even about runs that were uploaded before.")]


def sync(runs: Names = None, again: Again = False, as_json: AsJson = False) -> None:
    """Upload runs that were tracked offline to W&B; exit code 1 if one of them failed, which the next call repeats."""
    with refusals(as_json=as_json):
        from axiom_dagster.comparison import run_directory_of
        from resources.wandb.runs import tracked_runs
        from resources.wandb.uploading import require_key, upload

        require_key(os.environ)
        directories = [run_directory_of(name) for name in runs] if runs else tracked_runs()
        done: list[Uploaded] = []
        for directory in directories:
            for each in upload(directory, os.environ, again=again):
                done.append(each)
                say(_line(each))
    if as_json:
        answer_json({"synced": [each.plain() for each in done]})
    elif not done:
        say("nothing to upload: no run here was tracked")
    if any(each.what == "failed" for each in done):
        raise typer.Exit(FAILED)


def _line(each: "Uploaded") -> str:
    where = f"{each.instance_name} {each.stage}"
    words = {
        "uploaded": f"uploaded, {each.updates:,} updates: {each.url}",
        "there": f"there already: {each.url}",
        "online": f"was online: {each.url}",
        "failed": f"failed, to be tried again: {each.problem}",
    }
    return f"{where}: {words[each.what]}"
