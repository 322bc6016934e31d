"""The resource `compute`: where a stage's trainer runs, chosen by config; it never looks into what the trainer does."""

from pathlib import Path
from typing import Any, Protocol, cast

import dagster as dg
from pydantic import Field

from resources.in_process_compute import FunctionsCompute, InProcessCompute
from resources.local_compute import LocalCompute
from resources.skypilot.compute import RentedCompute, SkyPilotCompute
from trainer.contract import Manifest, RunDirectory, Stage


class Compute(Protocol):
    """Runs one stage of one run to its end."""

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """Run `stage` on `run_directory`, whose `run.yaml` is written; returns the manifest that the stage wrote.

        `train_manifest` is what `evaluate` evaluates; none: that of the same run directory. Raises `dg.Failure` when
        the stage fails, without retries when the trainer refused its input. An interrupt stops the stage and is raised
        again.
        """
        ...


class ComputeResource(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument]
    """Where training and evaluation run."""

    backend: LocalCompute | InProcessCompute | SkyPilotCompute = Field(
        default=LocalCompute(),
        discriminator="kind",
        description="`local`: a process of its own on this machine; `in_process`: Dagster's own, for debugging; "
        "`skypilot`: training on rented machines.",
    )

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """Run the stage on the chosen backend."""
        backend = cast("Compute", self.backend)  # pyright: ignore[reportUnknownMemberType]
        return backend.run(context, stage, run_directory, train_manifest)


def compute_run_config(compute: LocalCompute | InProcessCompute | SkyPilotCompute) -> dict[str, Any]:
    """The run config that gives back this compute."""
    fields = compute.model_dump(exclude={"kind"})
    return {"resources": {"compute": {"config": {"backend": {compute.kind: fields}}}}}


def kind_of(compute: Any) -> str | None:
    """`local`, `in_process` or `skypilot`, as the Launchpad names it; none of a compute that is none of ours."""
    chosen: Any = cast("Any", compute).backend if isinstance(compute, ComputeResource) else compute
    if isinstance(chosen, FunctionsCompute | RentedCompute):
        return "in_process" if isinstance(chosen, FunctionsCompute) else "skypilot"
    return chosen.kind if isinstance(chosen, LocalCompute | InProcessCompute | SkyPilotCompute) else None
