"""`axiom run`: one experiment from a spec to its summary; what it refuses leaves nothing behind."""

import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals
from axiom_dagster.cli.rented import GitCheck, Gpus, Job, Launch, Nodes, Spot, rented, show_launch

if TYPE_CHECKING:
    from axiom_dagster.cli.display import Shown
    from axiom_dagster.overriding import AnyCompute
    from axiom_dagster.run_handle import RunHandle
    from resources.skypilot.job_config import SkypilotJobConfig
    from trainer.contract import TrainAndEvalSpec, Variants
    from trainer.contract.composition import Composition


class ComputeName(StrEnum):
    """Where training runs, and evaluation too but of a rented training."""

    local = "local"
    in_process = "in_process"
    skypilot = "skypilot"


SPEC = typer.Argument(
    metavar="SPEC", help="A spec file, one that declares many runs, a recipe (.py), or `arena` or `quick`."
)
NewSource = Annotated[str | None, SPEC]
Source = Annotated[str, SPEC]
Values = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a value; repeatable.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--override", metavar="PATH=OP", help="Swap an exposed step: `axiom exposed` lists them; repeatable."),
]
Tag = Annotated[str | None, typer.Option(help="A name for this run among others of the same spec.")]
Resume = Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a run that stopped; instead of a SPEC.")]
Where = Annotated[
    ComputeName,
    typer.Option(help="`local`: processes of their own; `in_process`: this one; `skypilot`: rented machines."),
]


def run(
    source: NewSource = None,
    values: Values = None,
    overrides: Overrides = None,
    tag: Tag = None,
    resume: Resume = None,
    compute: Where = ComputeName.local,
    launch: Launch = True,
    gpus: Gpus = None,
    nodes: Nodes = None,
    spot: Spot = None,
    job: Job = None,
    git_check: GitCheck = None,
    as_json: AsJson = False,
) -> None:
    """Train, evaluate and analyze one experiment, or each run of one that declares many; they appear in the UI."""
    with refusals(as_json=as_json):
        from trainer.contract import TrainAndEvalSpec, Variants

        options = {"gpus": gpus, "nodes": nodes, "spot": spot, "git_check": git_check}
        config = _rented(compute, options, job or ())
        if not launch:
            _show(source, values or (), overrides or (), config, resume, as_json=as_json)
            return
        if resume is None:
            found = _experiment(source, values or (), overrides or ())
            if isinstance(found, Variants):
                _run_variants(found, tag, compute, config, as_json=as_json)
                return
            if not isinstance(found, TrainAndEvalSpec):
                _run_composition(found, tag, compute, config, as_json=as_json)
                return
            handle = _run(found, tag, compute, config)
        else:
            handle = _resume(resume, given=[source, values, overrides, tag], compute=_compute(compute, config))
    _answer(handle, as_json=as_json)
    if handle.status != "succeeded":
        raise typer.Exit(FAILED)


def _experiment(
    source: str | None, values: Sequence[str], overrides: Sequence[str]
) -> "TrainAndEvalSpec | Variants | Composition":
    from axiom_dagster.cli.source import experiment_from
    from trainer.contract import Refused

    if source is None:
        raise Refused.one("SPEC", source, "say what to run: a spec file, a recipe, `arena` or `quick`; or --resume RUN")
    return experiment_from(source, values, overrides)


def _rented(compute: ComputeName, options: Mapping[str, Any], assignments: Sequence[str]) -> "SkypilotJobConfig | None":
    """What is rented; none where nothing is. Refused are options that would have no effect."""
    from trainer.contract import Refused

    given = {name: value for name, value in options.items() if value is not None}
    if compute == ComputeName.skypilot:
        return rented(given, assignments)
    if given or assignments:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in [*given, *(["job"] if assignments else [])])
        raise Refused.one("--compute", compute.value, f"rents nothing, so {names} would do nothing; --compute skypilot")
    return None


def _show(
    source: str | None,
    values: Sequence[str],
    overrides: Sequence[str],
    config: "SkypilotJobConfig | None",
    resume: str | None,
    *,
    as_json: bool,
) -> None:
    from axiom_dagster.cli.compositions import show_composition
    from axiom_dagster.cli.variants import show_variants
    from axiom_dagster.preflight import check_spec
    from trainer.contract import Refused, TrainAndEvalSpec, Variants

    if resume is not None:
        raise Refused.one("--no-launch", resume, "shows what a new run would be; leave out --resume")
    found = _experiment(source, values, overrides)
    words = [str(source), *(f"--set={value}" for value in values), *(f"--override={each}" for each in overrides)]
    if isinstance(found, Variants):
        show_variants(found, config, words, as_json=as_json)
        return
    if not isinstance(found, TrainAndEvalSpec):
        show_composition(found, config, words, as_json=as_json)
        return
    check_spec(found)
    show_launch(found, config, shlex.join(["axiom", "run", *words]), as_json=as_json)


def _resume(name: str, *, given: Sequence[object], compute: "AnyCompute") -> "RunHandle":
    from axiom_dagster.resuming import resume
    from axiom_dagster.run_handle import RunHandle
    from trainer.contract import Refused

    if any(given):
        raise Refused.one("--resume", name, "a resumed run keeps its spec and its tag; give nothing else but --compute")
    with shown() as display:
        handle = resume(RunHandle.of(name), compute=compute)
        display.end(handle.status)
    return handle


def _compute(name: ComputeName, config: "SkypilotJobConfig | None") -> "AnyCompute":
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute

    if config is not None:
        from axiom_dagster.rented import rented_compute

        return rented_compute(config)
    return InProcessCompute() if name == ComputeName.in_process else LocalCompute()


def _run_variants(
    variants: "Variants", tag: str | None, compute: ComputeName, config: "SkypilotJobConfig | None", *, as_json: bool
) -> None:
    from axiom_dagster.cli.variants import run_variants
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute
    from resources.skypilot.compute import SkyPilotCompute
    from trainer.contract import Refused

    if tag is not None:
        raise Refused.one("--tag", tag, "names one run; those of an experiment of many have a variant and a seed")
    here = InProcessCompute() if compute == ComputeName.in_process else LocalCompute()
    run_variants(variants, SkyPilotCompute(**config.plain()) if config else here, config, as_json=as_json)


def _run_composition(
    composition: "Composition",
    tag: str | None,
    compute: ComputeName,
    config: "SkypilotJobConfig | None",
    *,
    as_json: bool,
) -> None:
    from axiom_dagster.cli.compositions import run_composition
    from resources.skypilot.preflight import require_ready
    from resources.skypilot.service import get_skypilot_service
    from trainer.contract import Refused

    if tag is not None:
        raise Refused.one("--tag", tag, "names one run; those of a composition have a phase and a round")
    if config is not None:
        require_ready([(spec, config) for spec in composition.specs.values()], get_skypilot_service().sky)
    run_composition(composition, _compute(compute, config), as_json=as_json)


def _run(
    spec: "TrainAndEvalSpec", tag: str | None, compute: ComputeName, config: "SkypilotJobConfig | None"
) -> "RunHandle":
    from axiom_dagster.experiment import TrainAndEvalExperiment

    if config is not None:
        from resources.skypilot.preflight import require_ready
        from resources.skypilot.service import get_skypilot_service

        require_ready([(spec, config)], get_skypilot_service().sky)
    with shown() as display:
        handle = TrainAndEvalExperiment(spec).run(tag, compute=_compute(compute, config))
        display.end(handle.status)
    return handle


@contextmanager
def shown() -> "Generator[Shown]":
    """While the block runs, the runs of this process are shown, and Ctrl-C cancels them."""
    from axiom_dagster.cli.console import stage_words
    from axiom_dagster.cli.display import shown_run
    from axiom_dagster.cli.interrupt import interrupts_cancel

    with shown_run() as display, stage_words(display.take), interrupts_cancel():
        yield display


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
