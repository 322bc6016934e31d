"""The Launchpad's typed config of a whole spec, derived from it; it adds no field of its own and changes no value."""

from typing import Any

import dagster as dg

from resources.typed_config import model_shape
from trainer.contract import FrozenModel, TrainAndEvalSpec


def launchpad_config(model: type[FrozenModel] = TrainAndEvalSpec) -> dg.Field:
    """The config of a stage that takes a whole spec; an empty config is the model's defaults."""
    return dg.Field(model_shape(model), default_value={}, description=model.__doc__)


def run_config_of(spec: TrainAndEvalSpec, stage: str = "train") -> dict[str, Any]:
    """The run config that gives back exactly this spec."""
    return {"ops": {stage: {"config": spec.plain()}}}
