"""`axiom spec`: specs to start from, checked, and described; nothing is run or written."""

from typing import TYPE_CHECKING, Annotated

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals
from axiom_dagster.cli.run import Overrides, Source, Values

if TYPE_CHECKING:
    from trainer.contract import Variants
    from trainer.contract.composition import Composition

spec_app = typer.Typer(help="Make, check and describe specs.", no_args_is_help=True)

OfManifest = Annotated[bool, typer.Option("--manifest", help="That of a manifest.")]
Quick = Annotated[bool, typer.Option("--quick", help="The one that ends in seconds.")]


@spec_app.command()
def new(quick: Quick = False, as_json: AsJson = False) -> None:
    """Print a full spec as YAML: that of the main job, or of the quick one."""
    from trainer.contract import create_experiment, create_quick_experiment, spec_yaml

    spec = create_quick_experiment() if quick else create_experiment()
    if as_json:
        answer_json(spec.plain())
    else:
        typer.echo(spec_yaml(spec), nl=False)


@spec_app.command()
def validate(source: Source, values: Values = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a spec, the environments that it names and its overrides; exit code 2 if it would be refused."""
    with refusals(as_json=as_json):
        from axiom_dagster.cli.source import experiment_from
        from axiom_dagster.preflight import check_spec
        from trainer.contract import TrainAndEvalSpec, Variants

        found = experiment_from(source, values or (), overrides or ())
        if isinstance(found, Variants):
            _validate_variants(found, as_json=as_json)
            return
        if not isinstance(found, TrainAndEvalSpec):
            _validate_composition(found, as_json=as_json)
            return
        check_spec(found)
    if as_json:
        answer_json({"valid": True, "name": found.name, "spec_hash": found.spec_hash})
    else:
        typer.echo(f"valid: {found.name}  {found.spec_hash}")


def _validate_variants(variants: "Variants", *, as_json: bool) -> None:
    from axiom_dagster.variants.experiment import VariantsExperiment

    VariantsExperiment(variants).prepare()
    number = len(variants.runs())
    if as_json:
        answer_json({"valid": True, "name": variants.name, "variants": list(variants.specs), "runs": number})
    else:
        seeds = sorted({len(seeds) for seeds in variants.seeds_of.values()})
        counted = f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
        typer.echo(f"valid: {variants.name}  {len(variants.specs)} variants × {counted} = {number} runs")


def _validate_composition(composition: "Composition", *, as_json: bool) -> None:
    from axiom_dagster.compositions.experiment import CompositeExperiment

    CompositeExperiment(composition).prepare()
    if as_json:
        answer_json({"valid": True, "name": composition.name, "phases": list(composition.phases)})
    else:
        typer.echo(f"valid: {composition.name}  phases {', '.join(composition.phases)}")


@spec_app.command()
def schema(of_manifest: OfManifest = False) -> None:
    """Print the JSON Schema of a spec, for editors; or of a manifest, for other programs."""
    import json

    from trainer.contract import TrainAndEvalSpec, manifest_schema

    text = manifest_schema() if of_manifest else json.dumps(TrainAndEvalSpec.model_json_schema(), indent=2) + "\n"
    typer.echo(text, nl=False)


@spec_app.command()
def reference() -> None:
    """Print every field with its path, default, bounds and meaning, as Markdown."""
    from axiom_dagster.cli import reference as page

    typer.echo(page.reference(), nl=False)
