"""`axiom exposed`: what may be swapped in a spec's experiment, and for what; it runs nothing and loads no engine."""

from collections.abc import Iterator
from enum import StrEnum
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals
from axiom_dagster.cli.run import Overrides

if TYPE_CHECKING:
    from axiom_dagster.exposed_steps import ExposedStep, Implementation, Parameter
    from trainer.contract import TrainAndEvalSpec

WIDTH = 100
OWN = "Every step also takes an op of your own, `imported`: PATH=module:name[:PARAM=VALUE,…]."


class Drawing(StrEnum):
    """How a pipeline is drawn."""

    text = "text"
    mermaid = "mermaid"


Source = Annotated[str, typer.Argument(metavar="[SPEC]", help="A spec file, a recipe (.py), or `arena` or `quick`.")]
Render = Annotated[Drawing | None, typer.Option(help="Draw the whole pipeline instead, overrides in place.")]


def exposed(
    source: Source = "arena", overrides: Overrides = None, render: Render = None, as_json: AsJson = False
) -> None:
    """List the steps that can be swapped: what each is given and owes, what runs there, what else may."""
    with refusals(as_json=as_json):
        from axiom_dagster.cli.source import spec_from
        from axiom_dagster.exposed_steps import exposed_steps

        spec = spec_from(source, (), overrides or ())
        drawn = _drawn(spec, render) if render else None
    steps = exposed_steps(spec)
    if as_json:
        plain = [step.plain() for step in steps]
        answer_json({"name": spec.name, "spec_hash": spec.spec_hash, "exposed": plain, "pipeline": drawn})
    else:
        typer.echo(drawn if drawn is not None else "\n".join([*_listed(steps), OWN]))


def _drawn(spec: "TrainAndEvalSpec", form: Drawing) -> str:
    from axiom_dagster.working_directory import working_directory_importable

    with working_directory_importable():
        return spec.pipeline().render(form.value)


def _listed(steps: "tuple[ExposedStep, ...]") -> Iterator[str]:
    for step in steps:
        yield _lines(f"{step.path}  [{step.kind}]  {step.summary}", 0)
        yield _lines(f"given  {step.given.record}: {step.given.meaning}", 2, 7)
        yield _lines(f"owes   {step.owes.record}: {step.owes.meaning}", 2, 7)
        yield _lines(f"runs   {_runs(step)}", 2, 7)
        offers = [implementation for implementation in step.implementations if implementation.name != "imported"]
        for number, implementation in enumerate(offers):
            yield from _offered(implementation, "" if number else "offers")
        yield ""


def _runs(step: "ExposedStep") -> str:
    declared = _choice(step.declared)
    return declared if step.overridden_by is None else f"{_choice(step.overridden_by)}, in place of {declared}"


def _choice(choice: "dict[str, dict[str, Any]]") -> str:
    ((name, params),) = choice.items()
    given = ", ".join(f"{key}={value}" for key, value in params.items())
    return f"{name} ({given})" if given else name


def _offered(implementation: "Implementation", label: str) -> Iterator[str]:
    yield _lines(f"{label:6} {implementation.name}: {implementation.summary}", 2, 7)
    for parameter in implementation.parameters:
        yield _lines(_parameter(parameter), 11)


def _parameter(parameter: "Parameter") -> str:
    default = "must be given" if parameter.required else f"default {parameter.default}".replace("None", "none")
    said = ", ".join(part for part in (parameter.type, parameter.bounds, default) if part)
    return f"{parameter.name} ({said}): {parameter.description}"


def _lines(text: str, indent: int, hanging: int = 2) -> str:
    before = " " * indent
    return fill(text, WIDTH, initial_indent=before, subsequent_indent=before + " " * hanging, break_on_hyphens=False)
