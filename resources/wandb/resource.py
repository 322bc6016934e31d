"""The resource `wandb`: the connection to a W&B server, never part of a spec; it sends and asks nothing itself."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from trainer.contract.tracking import KEY, SERVER

if TYPE_CHECKING:
    from resources.wandb.service import WandbService


class WandbResource(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument]
    """Key and address for trainers that run on this machine; what is empty here is taken from the environment.

    Give the key as `dg.EnvVar`: Dagster then keeps its name and not the key. Whether anything is logged, the spec says.
    """

    api_key: str = Field(default="", description="The key; empty: WANDB_API_KEY or netrc of the trainer's machine.")
    base_url: str = Field(default="", description="The server; empty: WANDB_BASE_URL, else https://api.wandb.ai.")
    timeout_seconds: float = Field(default=20.0, gt=0, description="How long a question to the server may take.")

    def variables(self) -> Mapping[str, str]:
        """The environment variables that a trainer needs for it; those that are given here alone."""
        given = {KEY: self.api_key, SERVER: self.base_url}
        return {name: value for name, value in given.items() if value}

    def service(self, project: str = "axiom", entity: str | None = None) -> "WandbService":
        """Answers about runs, by this connection."""
        from resources.wandb.service import get_wandb_service

        environment = {**os.environ, **self.variables()}
        return get_wandb_service(
            project=project, entity=entity, environment=environment, timeout_seconds=self.timeout_seconds
        )


def wandb_variables(context: dg.AssetExecutionContext) -> Mapping[str, str]:
    """Those of the step's resource `wandb`; none where the step has no such resource."""
    resource = getattr(context.resources, "wandb", None)
    return resource.variables() if isinstance(resource, WandbResource) else {}


@contextmanager
def in_environment(variables: Mapping[str, str]) -> Generator[None]:
    """While the block runs, this process has the variables; two blocks at once have those of the same resource."""
    earlier = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
