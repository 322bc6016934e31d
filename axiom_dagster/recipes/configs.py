"""What a recipe is configured with: infrastructure and science side by side, never mixed, and never where it runs."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, field_validator, model_validator

from resources.skypilot.job_config import SkypilotJobConfig
from trainer.contract import NAME, FrozenModel, TrainAndEvalSpec, TrainerConfig, save_experiment_spec

EXPERIMENTS = Path("configs/experiments")


class TrainingRunConfig(TrainAndEvalSpec):
    """One training, as a spec and two shorter ways to say what a spec says further inside.

    Its hash is that of the spec it stands for.
    """

    curriculum: str | None = Field(
        default=None, description="A named curriculum, in the place of `trainer.curriculum`; none: the trainer's own."
    )
    wandb_tags: Sequence[str] = Field(default=(), description="More tags of the W&B run, after those of `wandb.tags`.")

    @model_validator(mode="before")
    @classmethod
    def _curriculum_is_the_trainers(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        data = dict(cast("Mapping[str, Any]", given))
        name = data.get("curriculum")
        if not isinstance(name, str):
            return data
        key = "trainer_config" if "trainer_config" in data else "trainer"
        return {**data, key: _with_curriculum(data.get(key, {}), name)}

    @field_validator("wandb_tags")
    @classmethod
    def _frozen(cls, tags: Sequence[str]) -> tuple[str, ...]:
        return tuple(tags)

    @property
    def spec_hash(self) -> str:
        """That of the spec."""
        return self.spec().spec_hash

    def spec(self, name: str | None = None) -> TrainAndEvalSpec:
        """The spec of this training; `name` is its name where it has been given none of its own."""
        data = self.model_dump(mode="json", include=set(TrainAndEvalSpec.model_fields))
        data["wandb"]["tags"] = list(dict.fromkeys((*self.wandb.tags, *self.wandb_tags)))
        if name is not None and "name" not in self.model_fields_set:
            data["name"] = name
        return TrainAndEvalSpec.accept(data)

    def serialize_to_yaml_file(self, instance_name: str | None = None, folder: Path = EXPERIMENTS) -> Path:
        """Write the spec to `<folder>/<instance_name>.yaml`, by default its name and the time; returns the file."""
        return save_experiment_spec(self.spec(), folder / f"{instance_name or named_now(self.name)}.yaml")


class TrainingJobConfig(FrozenModel):
    """One job: what is trained, and on what."""

    skypilot: SkypilotJobConfig = Field(
        default_factory=SkypilotJobConfig, description="What is rented; no part of the spec."
    )
    training: TrainingRunConfig = Field(default=TrainingRunConfig(), description="What is trained.")


class ExperimentConfig(FrozenModel):
    """What every recipe has; a recipe's own fields, and with them its options, come with a subclass."""

    name: str = Field(default="experiment", description="Name of the experiment and of its runs.")
    launch: bool = Field(default=True, description="Whether to run; else all that would happen is shown.")
    compute: Literal["skypilot", "local"] = Field(
        default="skypilot", description="Where training runs: on rented machines, or on this one."
    )
    git_check: bool = Field(default=True, description="Whether to refuse code that is not committed and pushed.")
    previous_job_ids: tuple[str, ...] = Field(
        default=(), description="Jobs of an earlier launch, by id or name: they are loaded, and nothing is launched."
    )
    instance_name: str = Field(
        default_factory=lambda data: named_now(data["name"]),
        description="Name of this launch, a tag of all its runs; by default name and time (UTC).",
    )

    @field_validator("name", "instance_name")
    @classmethod
    def _can_name_a_run(cls, name: str) -> str:
        if not re.match(NAME, name):
            raise ValueError("a name is 1 to 80 letters, digits, `_` and `-`, and begins with a letter or digit")
        return name


class SingleJobExperimentConfig(ExperimentConfig, TrainingJobConfig):
    """A recipe of one job."""


def named_now(name: str) -> str:
    """`name-YYYYmmdd-HHMMSS` (UTC)."""
    return f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _with_curriculum(trainer: Any, name: str) -> Any:
    """What the trainer is given, with this curriculum; refused beside another one."""
    if isinstance(trainer, TrainerConfig):
        own, data = "curriculum" in trainer.model_fields_set, trainer.plain()
    elif isinstance(trainer, Mapping):
        data = dict(cast("Mapping[str, Any]", trainer))
        own = not data.keys().isdisjoint({"curriculum", "curriculum_config"})
    else:
        return trainer
    named = {**data, "curriculum": name}
    named.pop("curriculum_config", None)
    if own and TrainerConfig.model_validate(data).curriculum != TrainerConfig.model_validate(named).curriculum:
        raise ValueError(f"curriculum = {name!r}, but the trainer is given another one; give one of them")
    return named
