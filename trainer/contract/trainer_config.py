"""How an agent is trained: timesteps, batches, optimizer, PPO, checkpoints; the numbers only, never the algorithm."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator

from trainer.contract.environment import EnvConfig
from trainer.contract.monitors import MonitorsConfig
from trainer.plain.model import FrozenModel
from trainer.plain.refusal import nearest

GROUPS = Path(__file__).parents[1] / "configs"


class CurriculumConfig(FrozenModel):
    """Which environment the agent is trained in. A string names a file under `trainer/configs/`."""

    env: EnvConfig = Field(default=EnvConfig(), description="The environment that the agent is trained in.")


class OptimizerConfig(FrozenModel):
    """The optimizer of the policy's parameters."""

    type: Literal["adam", "adamw", "sgd", "muon"] = Field(
        default="adam", description="Which optimizer steps the parameters."
    )
    learning_rate: float = Field(default=2e-3, gt=0, le=10, description="Step size at the start of training.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="linear", description="How the learning rate falls to 0 over training."
    )
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the first moment (sgd, muon: the momentum).")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Decay of the second moment (adam, adamw).")
    eps: float = Field(default=1e-5, gt=0, description="Added to the denominator of adam and adamw.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="Decoupled weight decay (sgd: L2 penalty); not for adam."
    )

    @model_validator(mode="after")
    def _adam_does_not_decay(self) -> Self:
        if self.type == "adam" and self.weight_decay:
            raise ValueError(f"weight_decay = {self.weight_decay:g} has no effect on adam; use adamw, or set it to 0")
        return self


class PPOConfig(FrozenModel):
    """Proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347) with GAE (arXiv:1506.02438)."""

    gamma: float = Field(default=0.99, ge=0, le=1, description="Discount of future rewards.")
    gae_lambda: float = Field(default=0.95, ge=0, le=1, description="Decay of GAE: 0 is one-step TD, 1 is Monte Carlo.")
    update_epochs: int = Field(default=2, ge=1, description="Passes over each batch.")
    clip_coef: float = Field(default=0.2, gt=0, description="How far the probability ratio may leave 1.")
    clip_schedule: Literal["constant", "linear"] = Field(
        default="constant", description="How clip_coef falls over training."
    )
    value_clip_coef: float | None = Field(
        default=None, gt=0, description="Clip of the value's change; none: not clipped."
    )
    value_coef: float = Field(default=0.5, ge=0, description="Weight of the value loss.")
    entropy_coef: float = Field(default=0.003, ge=0, description="Weight of the entropy bonus.")
    max_grad_norm: float = Field(default=0.5, gt=0, description="Global norm that gradients are clipped to.")
    normalize_advantages: bool = Field(
        default=True, description="Whether each minibatch's advantages get mean 0 and std 1."
    )
    target_kl: float | None = Field(
        default=None, gt=0, description="Approximate KL at which an update's epochs stop early."
    )


class CheckpointConfig(FrozenModel):
    """When training's state is saved."""

    interval_updates: int = Field(
        default=50, ge=1, description="Updates between checkpoints; the last update always has one."
    )
    keep: int = Field(default=3, ge=1, description="How many of the newest checkpoints are kept.")


class SimulationConfig(FrozenModel):
    """How a trained agent is evaluated in each named simulation."""

    num_episodes: int = Field(
        default=12, ge=2, description="Episodes for each simulation; two are the least for an interval."
    )
    greedy: bool = Field(default=False, description="Whether the likeliest action is taken instead of a sampled one.")
    num_replays: int = Field(default=1, ge=0, description="Episodes of each simulation that are saved as replays.")
    replay_dir: str = Field(default="${run_dir}/replays", min_length=1, description="Where replays are saved.")


class TorchProfilerConfig(FrozenModel):
    """Profiles of whole updates, written as Chrome traces by torch's profiler."""

    interval_updates: int = Field(default=0, ge=0, description="Updates between profiled ones; 0: none is profiled.")
    profile_dir: str = Field(default="${run_dir}/torch_traces", min_length=1, description="Where traces are written.")


class TrainerConfig(FrozenModel):
    """One training run. Timesteps and batches count agent-steps: 8 environments of 16 agents make 128 a step."""

    long_names: ClassVar[Mapping[str, str]] = {
        f"{field}_config": field for field in ("curriculum", "optimizer", "ppo", "checkpoint", "simulation", "profiler")
    }

    total_timesteps: int = Field(
        default=1_200_000, ge=1, description="Agent-steps to train for, rounded up to whole batches."
    )
    target_reward: float | None = Field(
        default=None, description="Mean episode reward at which time to target is taken; none: it is not taken."
    )
    batch_size: int = Field(default=8192, ge=2, description="Agent-steps collected for each update.")
    minibatch_size: int = Field(
        default=1024, ge=1, description="Agent-steps in each gradient step; divides batch_size."
    )
    num_envs: int = Field(default=8, ge=1, description="Environments stepped side by side.")
    num_workers: int = Field(
        default=1,
        ge=1,
        description="Processes that step them: its own and others, with overlap others only; no effect on results.",
    )
    overlap: bool = Field(
        default=False,
        description="Whether other processes collect while an update is learned, by the policy from before it.",
    )
    normalize_observations: bool = Field(default=False, description="Whether vector observations get mean 0 and std 1.")
    normalize_rewards: bool = Field(
        default=True, description="Whether rewards are scaled by the std of the discounted return."
    )
    curriculum: CurriculumConfig = Field(default=CurriculumConfig(), description="What the agent is trained on.")
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), description="The optimizer and its learning rate.")
    ppo: PPOConfig = Field(default=PPOConfig(), description="The PPO update.")
    checkpoint: CheckpointConfig = Field(default=CheckpointConfig(), description="When state is saved.")
    simulation: SimulationConfig = Field(default=SimulationConfig(), description="How the trained agent is evaluated.")
    monitors: MonitorsConfig = Field(default=MonitorsConfig(), description="What watches the training.")
    profiler: TorchProfilerConfig = Field(default=TorchProfilerConfig(), description="Which updates are profiled.")

    @field_validator("curriculum", mode="before")
    @classmethod
    def _read_named(cls, value: Any) -> Any:
        return _curriculum_file(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _batches_divide(self) -> Self:
        if self.num_workers > self.num_envs:
            raise ValueError(
                f"num_workers = {self.num_workers} is more than num_envs = {self.num_envs}: some would idle"
            )
        if self.batch_size % self.minibatch_size:
            raise ValueError(
                f"batch_size = {self.batch_size} is not divisible by minibatch_size = {self.minibatch_size}; "
                f"near sizes that divide it: {_near_divisors(self.batch_size, self.minibatch_size)}"
            )
        if self.batch_size % self.num_slots:
            down = max(self.batch_size // self.num_slots, 1) * self.num_slots
            raise ValueError(
                f"batch_size = {self.batch_size} is not a whole number of steps of {self.num_envs} environments x "
                f"{self.curriculum.env.num_agents} agents = {self.num_slots}; near: {down} or {down + self.num_slots}"
            )
        return self

    @property
    def num_slots(self) -> int:
        """Agents that act at once over all environments (N)."""
        return self.num_envs * self.curriculum.env.num_agents

    @property
    def rollout_length(self) -> int:
        """Steps of every environment in one batch (T)."""
        return self.batch_size // self.num_slots

    @property
    def num_updates(self) -> int:
        """Batches that are collected and learned from."""
        return -(-self.total_timesteps // self.batch_size)

    @property
    def agent_steps(self) -> int:
        """Agent-steps that are trained for: `total_timesteps`, rounded up to whole batches."""
        return self.num_updates * self.batch_size


def _curriculum_file(name: str) -> Any:
    path = GROUPS / f"{name}.yaml"
    if not path.resolve().is_relative_to(GROUPS) or not path.is_file():
        known = (str(found.relative_to(GROUPS).with_suffix("")) for found in (GROUPS / "env").rglob("*.yaml"))
        raise ValueError(f"no curriculum has this name; {nearest(name, known)}")
    return yaml.safe_load(path.read_text())


def _near_divisors(batch: int, wanted: int) -> str:
    divisors = sorted((n for n in range(1, batch + 1) if batch % n == 0), key=lambda n: abs(n - wanted))
    return ", ".join(str(n) for n in sorted(divisors[:3]))
