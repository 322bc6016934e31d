"""The third compute: training on machines rented through SkyPilot; the other stages run on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_origin

import dagster as dg
from pydantic import Field, create_model, model_validator
from pydantic_core import to_jsonable_python

from resources.local_compute import LocalCompute
from resources.refusing import refusals_fail_the_step
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.task import REMOTE_STAGES
from resources.typed_config import describe
from trainer.contract import Manifest, RunDirectory, Stage

if TYPE_CHECKING:
    from resources.skypilot.pipes_client import PipesSkyPilotClient


class RentedCompute:
    """Trains through a client, whatever SkyPilot that has, and runs on this machine what is short."""

    def __init__(self, client: "PipesSkyPilotClient", local: LocalCompute) -> None:
        self._client, self._local = client, local

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """See `Compute.run`. An interrupt that no user asked for leaves the job running for the next try."""
        if stage not in REMOTE_STAGES:
            return self._local.run(context, stage, run_directory, train_manifest)
        return self._client.run(context=context, stage=stage, run_directory=run_directory).manifest


def _launchpad_fields() -> dict[str, Any]:
    """The fields of the config as Dagster takes them: no tuples; the bounds in words, since the config checks them."""
    return {
        name: (
            list[str] if get_origin(info.annotation) is tuple else info.annotation,
            Field(default=to_jsonable_python(info.default), description=describe(info)),
        )
        for name, info in SkypilotJobConfig.model_fields.items()
    }


Launchpad: Any = create_model("Launchpad", __base__=dg.Config, __module__=__name__, **_launchpad_fields())


class SkyPilotCompute(Launchpad):
    """The trainer on machines that SkyPilot rents; its fields are those of `SkypilotJobConfig`."""

    kind: Literal["skypilot"] = "skypilot"

    @model_validator(mode="after")
    def _acceptable(self) -> Self:
        self.job()
        return self

    def job(self) -> SkypilotJobConfig:
        """The config; raises `Refused` with all that is wrong with it."""
        return SkypilotJobConfig.accept({name: getattr(self, name) for name in SkypilotJobConfig.model_fields})

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """See `Compute.run`."""
        # Definitions load without them.
        from resources.skypilot.pipes_client import PipesSkyPilotClient
        from resources.skypilot.sdk_client import SdkSkyPilot

        with refusals_fail_the_step():
            client = PipesSkyPilotClient(SdkSkyPilot(), self.job())
        return RentedCompute(client, LocalCompute()).run(context, stage, run_directory, train_manifest)
