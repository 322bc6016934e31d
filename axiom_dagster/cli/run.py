"""`axiom run`: one experiment from a spec to its summary; what it refuses leaves nothing behind."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals, say

if TYPE_CHECKING:
    from axiom_dagster.run_handle import RunHandle
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute
    from trainer.contract import TrainAndEvalSpec


class ComputeName(StrEnum):
    """Where training and evaluation run."""

    local = "local"
    in_process = "in_process"


NewSource = Annotated[
    str | None, typer.Argument(metavar="SPEC", help="A spec file, a recipe (.py), or `arena` or `quick`.")
]
Source = Annotated[str, typer.Argument(metavar="SPEC", help="A spec file, a recipe (.py), or `arena` or `quick`.")]
Values = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a value; repeatable.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--override", metavar="PATH=OP", help="Swap an exposed step: `axiom exposed` lists them; repeatable."),
]
Tag = Annotated[str | None, typer.Option(help="A name for this run among others of the same spec.")]
Resume = Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a run that stopped; instead of a SPEC.")]
Where = Annotated[ComputeName, typer.Option(help="`local`: processes of their own; `in_process`: this one.")]


def run(
    source: NewSource = None,
    values: Values = None,
    overrides: Overrides = None,
    tag: Tag = None,
    resume: Resume = None,
    compute: Where = ComputeName.local,
    as_json: AsJson = False,
) -> None:
    """Train, evaluate and analyze one experiment; it appears in the UI like any other run."""
    with refusals(as_json=as_json):
        if resume is None:
            handle = _run(_spec(source, values or (), overrides or ()), tag, compute)
        else:
            handle = _resume(resume, given=[source, values, overrides, tag], compute=compute)
    _answer(handle, as_json=as_json)
    if handle.status != "succeeded":
        raise typer.Exit(FAILED)


def _spec(source: str | None, values: Sequence[str], overrides: Sequence[str]) -> "TrainAndEvalSpec":
    from axiom_dagster.cli.source import spec_from
    from trainer.contract import Refused

    if source is None:
        raise Refused.one("SPEC", source, "say what to run: a spec file, a recipe, `arena` or `quick`; or --resume RUN")
    return spec_from(source, values, overrides)


def _resume(name: str, *, given: Sequence[object], compute: ComputeName) -> "RunHandle":
    from axiom_dagster.cli.console import stage_words
    from axiom_dagster.cli.interrupt import interrupts_cancel
    from axiom_dagster.resuming import resume
    from axiom_dagster.run_handle import RunHandle
    from trainer.contract import Refused

    if any(given):
        raise Refused.one("--resume", name, "a resumed run keeps its spec and its tag; give nothing else but --compute")
    with stage_words(show_words), interrupts_cancel():
        return resume(RunHandle.of(name), compute=_compute(compute))


def _compute(name: ComputeName) -> "LocalCompute | InProcessCompute":
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute

    return InProcessCompute() if name == "in_process" else LocalCompute()


def _run(spec: "TrainAndEvalSpec", tag: str | None, compute: ComputeName) -> "RunHandle":
    from axiom_dagster.cli.console import stage_words
    from axiom_dagster.cli.interrupt import interrupts_cancel
    from axiom_dagster.experiment import TrainAndEvalExperiment

    with stage_words(show_words), interrupts_cancel():
        return TrainAndEvalExperiment(spec).run(tag, compute=_compute(compute))


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
