"""`axiom replay`: an earlier run once more, from its manifest and with its own sources; is the result the same?"""

from typing import TYPE_CHECKING

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say
from axiom_dagster.cli.run import Tag, plain_run, shown
from axiom_dagster.cli.runs import RunName

if TYPE_CHECKING:
    from axiom_dagster.run_handle import RunHandle


def replay(run: RunName, tag: Tag = None, as_json: AsJson = False) -> None:
    """Run an earlier run's spec again; exit code 0 the same results, 1 others or a failure, 2 not repeatable."""
    warnings: list[str] = []

    def warn(words: str) -> None:
        warnings.append(words)
        say(f"WARNING: {words}")

    with refusals(as_json=as_json):
        from axiom_dagster.replaying import replay as replayed
        from axiom_dagster.run_handle import RunHandle

        original = RunHandle.of(run)
        with shown() as display:
            again = replayed(original, tag, say=warn)
            display.end(again.status)
    equal = _answer(original, again, warnings, as_json=as_json)
    if not equal:
        raise typer.Exit(FAILED)


def _answer(original: "RunHandle", again: "RunHandle", warnings: list[str], *, as_json: bool) -> bool:
    from axiom_dagster.replaying import Sameness, sameness
    from axiom_dagster.summary import show_summary

    ended = again.status == "succeeded"
    same = sameness(original, again) if ended else Sameness(None, None)
    show_summary(again, to_stderr=as_json)
    typer.echo(f"replay of {original.instance_name}: {same}", err=as_json)
    if as_json:
        outcome = {"weights_identical": same.weights, "results_identical": same.results, "warnings": warnings}
        answer_json({"replay_of": original.instance_name, **outcome, **plain_run(again)})
    return same.whole
