"""`axiom run`: one experiment from a spec to its summary; what it refuses leaves nothing behind."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say

if TYPE_CHECKING:
    from axiom_dagster.run_handle import RunHandle
    from trainer.contract import TrainAndEvalSpec


class ComputeName(StrEnum):
    """Where training and evaluation run."""

    local = "local"
    in_process = "in_process"


Source = Annotated[str, typer.Argument(metavar="SPEC", help="A spec file, a recipe (.py), or `arena` or `quick`.")]
Values = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a value; repeatable.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--override", metavar="PATH=OP", help="Swap an exposed step: `axiom exposed` lists them; repeatable."),
]
Tag = Annotated[str | None, typer.Option(help="A name for this run among others of the same spec.")]
Where = Annotated[ComputeName, typer.Option(help="`local`: processes of their own; `in_process`: this one.")]


def run(
    source: Source,
    values: Values = None,
    overrides: Overrides = None,
    tag: Tag = None,
    compute: Where = ComputeName.local,
    as_json: AsJson = False,
) -> None:
    """Train, evaluate and analyze one experiment; it appears in the UI like any other run."""
    with refusals(as_json=as_json):
        from axiom_dagster.cli.source import spec_from

        spec = spec_from(source, values or (), overrides or ())
        handle = _run(spec, tag, compute)
    _answer(handle, as_json=as_json)
    if handle.status != "succeeded":
        raise typer.Exit(FAILED)


def _run(spec: "TrainAndEvalSpec", tag: str | None, compute: ComputeName) -> "RunHandle":
    from axiom_dagster.cli.console import stage_words
    from axiom_dagster.cli.interrupt import interrupts_cancel
    from axiom_dagster.experiment import TrainAndEvalExperiment
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute

    with stage_words(show_words), interrupts_cancel():
        return TrainAndEvalExperiment(spec).run(
            tag, compute=InProcessCompute() if compute == "in_process" else LocalCompute()
        )


def show_words(stage: str, words: str) -> None:
    """A stage's words as a line for people."""
    say(words if words.startswith(stage) else f"{stage}: {words}")


def _answer(handle: "RunHandle", *, as_json: bool) -> None:
    from axiom_dagster.summary import show_summary

    show_summary(handle, to_stderr=as_json)
    if as_json:
        answer_json(plain_run(handle))


def plain_run(handle: "RunHandle") -> dict[str, Any]:
    """A run as one JSON object, with the manifest of the last stage that ended."""
    from axiom_dagster.summary import last_manifest, plot_of

    manifest, plot = last_manifest(handle), plot_of(handle)
    return {
        "instance_name": handle.instance_name,
        "status": handle.status,
        "run_id": handle.run_id,
        "directory": str(handle.directory),
        "error": handle.error,
        "plot": str(plot) if plot else None,
        "manifest": manifest.plain() if manifest else None,
    }
