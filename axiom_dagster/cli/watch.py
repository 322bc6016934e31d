"""`axiom watch`: follows a run that somebody else launched until it ends; it never touches the run."""

from typing import TYPE_CHECKING

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say
from axiom_dagster.cli.run import plain_run
from axiom_dagster.cli.runs import RunName

if TYPE_CHECKING:
    from axiom_dagster.run_handle import RunHandle

INTERRUPTED = 130


def watch(run: RunName, as_json: AsJson = False) -> None:
    """Follow a run, whoever launched it, until it ends; Ctrl-C leaves it running. Exit code 1 unless it succeeded."""
    with refusals(as_json=as_json):
        from axiom_dagster.run_handle import RunHandle

        handle = RunHandle.of(run)
        try:
            _follow(handle)
        except KeyboardInterrupt:
            say(f"no longer watched; {handle.instance_name} is {handle.status}")
            raise typer.Exit(INTERRUPTED) from None
    from axiom_dagster.summary import show_summary

    show_summary(handle, to_stderr=as_json)
    if as_json:
        answer_json(plain_run(handle))
    if handle.status != "succeeded":
        raise typer.Exit(FAILED)


def _follow(handle: "RunHandle") -> None:
    from axiom_dagster.cli.display import shown_run
    from axiom_dagster.following import ENDED, followed

    if (status := handle.status) in ENDED:
        return
    if status == "queued":
        say(f"{handle.instance_name} is queued: it begins when a place among the runs is free")
    with shown_run(handle.instance_name, status) as shown:
        for said in followed(handle):
            for words in said:
                shown.take(words.step, words.text, words.at)
        shown.end(handle.status)
