"""The spec: all that defines one experiment, and nothing about where it runs."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from trainer.algorithm.declaration import train_and_eval
from trainer.algorithm.overrides import Replacement, accepted_overrides, loaded, replacement_of
from trainer.contract.agent import AgentConfig, SystemConfig, TensorBoardConfig, WandbConfig
from trainer.contract.declared import declared_ops
from trainer.contract.environment import ARENA, EnvConfig
from trainer.contract.redaction import looks_secret
from trainer.contract.resume import ResumeFrom
from trainer.contract.trainer_config import TrainerConfig
from trainer.ops.buckets import Buckets
from trainer.ops.levels import Levels
from trainer.pipeline import Pipeline
from trainer.plain.model import FrozenModel, digest_of
from trainer.plain.refusal import Refused

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}\Z"
VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*\Z"
SIMULATION_NAME = r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\Z"


def accepted_name(name: str) -> str:
    """A name that folders, runs and tags can begin with; raises `ValueError`."""
    if not re.match(NAME, name):
        raise ValueError("a name is 1 to 80 letters, digits, `_` and `-`, and begins with a letter or digit")
    return name


class AxiomControls(FrozenModel):
    """What makes a run repeatable."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="The one seed that every random stream is derived from.")
    deterministic: bool = Field(default=True, description="Whether torch must use deterministic algorithms, or fail.")
    capture_env: tuple[str, ...] = Field(
        default=(), description="Environment variables whose values are recorded; never one whose name looks secret."
    )
    single_factor_enforce: bool = Field(
        default=False, description="Whether the run is refused if more than one factor differs from `baseline`."
    )
    baseline: str | None = Field(default=None, description="Instance name of the run that this one is a variant of.")

    @field_validator("capture_env")
    @classmethod
    def _no_secret_is_recorded(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.match(VARIABLE_NAME, name):
                raise ValueError(f"{name!r} is no name of an environment variable; letters, digits and `_`")
            if looks_secret(name):
                raise ValueError(
                    f"{name!r} looks like a secret (KEY, TOKEN, SECRET, PASSWORD or CREDENTIAL in its name), and "
                    "manifests are read by many; give what is not secret under another name"
                )
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _enforcing_needs_a_baseline(self) -> Self:
        if self.single_factor_enforce and not self.baseline:
            raise ValueError("single_factor_enforce needs `baseline`: the instance name of the run to compare with")
        return self


class ExperimentSpec(FrozenModel):
    """What every experiment has: a name, a description, controls."""

    name: str = Field(
        default="arena", description="Letters, digits, `_` and `-`, at most 80; the instance name starts with it."
    )
    description: str = Field(default="", description="What is asked, in a sentence.")
    controls: AxiomControls = Field(
        default=AxiomControls(), description="Seed, determinism, what is recorded, what may differ."
    )

    _can_name_a_folder = field_validator("name")(accepted_name)

    @property
    def spec_hash(self) -> str:
        """`sha256:…` of the canonical JSON: equal exactly when the specs are equal."""
        return digest_of(self.plain())


def default_simulations(env: EnvConfig) -> dict[str, EnvConfig]:
    """What an agent trained in `env` is evaluated in: the arena without and with combat, else `env` itself."""
    if env.id != ARENA:
        return {re.sub(r"[^A-Za-z0-9_/-]", "-", env.id): env}
    return {
        f"arena/{name}": env.model_copy(update={"arena": env.arena.model_copy(update={"combat": combat})})
        for name, combat in (("basic", False), ("combat", True))
    }


class TrainAndEvalSpec(ExperimentSpec):
    """Train an agent, evaluate it in named simulations, analyze the results."""

    long_names: ClassVar[Mapping[str, str]] = {
        f"{field}_config": field for field in ("trainer", "agent", "system", "wandb")
    }

    trainer: TrainerConfig = Field(default=TrainerConfig(), description="How the agent is trained.")
    agent: AgentConfig = Field(default=AgentConfig(), description="The agent's network.")
    system: SystemConfig = Field(default=SystemConfig(), description="Device and threads.")
    wandb: WandbConfig = Field(default=WandbConfig(), description="Tracking by Weights & Biases.")
    tensorboard: TensorBoardConfig = Field(default=TensorBoardConfig(), description="Tracking by TensorBoard.")
    eval_configs: dict[str, EnvConfig] = Field(
        default={},
        description="Simulations by name. Empty: arena/basic and arena/combat for the arena, else the training one.",
    )
    resume_from: ResumeFrom | None = Field(
        default=None, description="The checkpoint of another run that training begins with; none: new weights."
    )
    overrides: dict[str, Any] = Field(
        default={},
        description="What runs in exposed steps: `{train.compute_advantage: {vtrace: {rho_clip: 1.0}}}`.",
    )

    @field_validator("overrides")
    @classmethod
    def _accept_overrides(cls, given: dict[str, Any]) -> dict[str, Any]:
        return accepted_overrides(given)

    @field_validator("eval_configs")
    @classmethod
    def _name_the_simulations(cls, given: dict[str, EnvConfig], info: ValidationInfo) -> dict[str, EnvConfig]:
        if given or "trainer" not in info.data:
            return given
        return default_simulations(info.data["trainer"].curriculum.env)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        trained = self.trainer.curriculum.env
        for name, env in self.eval_configs.items():
            if not re.match(SIMULATION_NAME, name):
                raise ValueError(
                    f"eval_configs: {name!r} is no simulation name; letters, digits, `_`, `-` and single `/`"
                )
            if (env.id == ARENA) != (trained.id == ARENA):
                raise ValueError(
                    f"eval_configs.{name}.id = {env.id!r} but the agent is trained in {trained.id!r}: "
                    "their observations differ; evaluate in the same kind of environment"
                )
        if self.resume_from and "train" in self.overrides:
            raise ValueError("resume_from: the stage train is replaced as a whole, and begins with what it likes")
        if self.trainer.overlap and "train.rollout" in self.overrides:
            raise ValueError(
                "trainer.overlap: only the declared rollout can be collected while an update is learned; "
                "train.rollout is overridden, so leave overlap off"
            )
        for path, choice in self.overrides.items():
            _refuse_other_tasks(path, replacement_of(path, choice), trained)
        if self.agent.core != "none" and self.trainer.minibatch_size % self.trainer.rollout_length:
            raise ValueError(
                f"agent.core = {self.agent.core!r} learns from whole rollouts: trainer.minibatch_size = "
                f"{self.trainer.minibatch_size} must be a multiple of {self.trainer.rollout_length} steps"
            )
        return self

    def pipeline(self, functions: Mapping[str, Replacement] = MappingProxyType({})) -> Pipeline:
        """The experiment as a pipeline, its overrides in place; `functions` are those that only this process has.

        Raises `Refused` where an importable override cannot be loaded here.
        """
        trainer = self.trainer
        pipeline = train_and_eval(
            declared_ops(trainer.optimizer),
            updates=trainer.num_updates,
            epochs=trainer.ppo.update_epochs,
            minibatches=trainer.batch_size // trainer.minibatch_size,
        )
        for path, choice in self.overrides.items():
            pipeline.override(path, loaded(path, choice, functions))
        return pipeline


def _refuse_other_tasks(path: str, op: object, env: EnvConfig) -> None:
    """Refuse buckets that the training environment does not have, value by value."""
    sets = op.levels if isinstance(op, Levels) else [op] if isinstance(op, Buckets) else []
    for field, value in ((field, value) for each in sets for field, values in each.buckets.items() for value in values):
        try:
            env.with_task({field: value})
        except Refused as refused:
            raise ValueError(f"overrides.{path}: {refused}") from None
