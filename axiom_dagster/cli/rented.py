"""Options that say what is rented, and what a launch would be, shown instead of one; nothing is launched here."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import answer_json

if TYPE_CHECKING:
    from resources.skypilot.job_config import SkypilotJobConfig
    from resources.skypilot.plan import LaunchPlan
    from trainer.contract import TrainAndEvalSpec


class Truth(StrEnum):
    """A yes or no that has a default of its own: `--spot=false`."""

    true = "true"
    false = "false"


RENTED = "Rented machines (--compute skypilot)"

Gpus = Annotated[int | None, typer.Option(help="GPUs of each machine.", rich_help_panel=RENTED)]
Nodes = Annotated[int | None, typer.Option(help="Machines.", rich_help_panel=RENTED)]
Spot = Annotated[
    Truth | None, typer.Option(help="Whether to take cheaper machines that may be taken away.", rich_help_panel=RENTED)
]
Job = Annotated[
    list[str] | None,
    typer.Option(
        "--job",
        metavar="FIELD=VALUE",
        help="Any other field of SkypilotJobConfig: accelerator=H100, infra=aws, artifacts=s3://…; repeatable.",
        rich_help_panel=RENTED,
    ),
]
GitCheck = Annotated[
    Truth | None, typer.Option(help="Whether to refuse code that is not committed and pushed.", rich_help_panel=RENTED)
]
Launch = Annotated[
    bool, typer.Option("--launch/--no-launch", help="Only show what would happen: spec, task, prices, worst case.")
]


def rented(options: Mapping[str, Any], assignments: Sequence[str]) -> "SkypilotJobConfig":
    """What is rented: the named options, and `field=value` for each of the others; raises `Refused`."""
    import yaml

    from resources.skypilot.job_config import SkypilotJobConfig
    from trainer.contract import Refused

    data = {name: value == Truth.true if isinstance(value, Truth) else value for name, value in options.items()}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise Refused.one("--job", assignment, "not of the form FIELD=VALUE")
        if name in data:
            raise Refused.one(f"--job {name}", text, "is given twice")
        field = SkypilotJobConfig.model_fields.get(name)
        try:
            data[name] = text if field and field.annotation is str else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise Refused.one(f"--job {name}", text, f"not a YAML value: {error}") from None
    return SkypilotJobConfig.accept(data)


def show_launch(spec: "TrainAndEvalSpec", config: "SkypilotJobConfig | None", here: str, *, as_json: bool) -> None:
    """Show what a run of this spec would be; with no config, one on this machine."""
    from resources.skypilot.plan import plan_of
    from resources.skypilot.service import get_skypilot_service
    from trainer.contract import spec_yaml

    plans = [plan_of(spec, config, get_skypilot_service().sky)] if config else []
    if not plans and not as_json:
        typer.echo(f"# the spec, {spec.spec_hash}\n{spec_yaml(spec)}")
    show_plans(plans, here, as_json=as_json, spec=spec.plain(), spec_hash=spec.spec_hash)


def show_plans(plans: "Sequence[LaunchPlan]", here: str, *, as_json: bool, **more: Any) -> None:
    """Show plans, and the command that does the same on this machine."""
    if as_json:
        answer_json({"launched": False, "plans": [plan.plain() for plan in plans], "local_command": here, **more})
        return
    for plan in plans:
        typer.echo("\n".join(plan.lines()) + "\n")
    typer.echo(f"# to try it on this machine\n{here}")
