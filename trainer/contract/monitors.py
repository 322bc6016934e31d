"""What watches a training's numbers, and what is done about them; data only, it judges nothing and stops nothing."""

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.plain.model import FrozenModel
from trainer.plain.refusal import nearest

Action = Literal["stop_early", "save_checkpoint", "notify"]
REWARD = "overview/reward"
# What each update reports and another training of the same spec reports too.
METRICS = (
    REWARD,
    "charts/episodic_return",
    "charts/episodic_length",
    "charts/step_reward",
    "charts/learning_rate",
    "losses/policy_loss",
    "losses/value_loss",
    "losses/entropy",
    "losses/approx_kl",
    "losses/clipfrac",
    "losses/grad_norm",
    "losses/explained_variance",
)
WALL_TIME = ("seconds", "charts/SPS")
MONITOR_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}\Z"


class MonitorConfig(FrozenModel):
    """What every monitor has. Each fires once in a run, and what it did is recorded."""

    actions: tuple[Action, ...] = Field(
        default=("stop_early",), min_length=1, description="What is done; `notify`: no more than a warning in the log."
    )
    after_updates: int = Field(default=0, ge=0, description="Updates of the training that pass before it looks.")

    @field_validator("actions")
    @classmethod
    def _name_each_once(cls, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        if len(set(actions)) < len(actions):
            raise ValueError(f"name each action once: {', '.join(actions)}")
        return actions


class MetricMonitorConfig(MonitorConfig):
    """A monitor of one metric. An update where the metric is none counts for nothing but time."""

    metric: str = Field(default=REWARD, description="The metric, by its name in metrics.jsonl.")

    @field_validator("metric")
    @classmethod
    def _is_reported(cls, metric: str) -> str:
        if metric in WALL_TIME:
            raise ValueError(f"is wall time: what was decided by it could not be repeated; {nearest(metric, METRICS)}")
        if metric not in METRICS:
            raise ValueError(f"no training reports this metric; {nearest(metric, METRICS)}")
        return metric


class DivergenceConfig(MetricMonitorConfig):
    """Fires where the mean of the last `window` values passes one bound. Stopped by it, the training has failed."""

    above: float | None = Field(default=None, description="Fires where the mean is above this.")
    below: float | None = Field(default=None, description="Fires where the mean is below this.")
    falls_by: float | None = Field(
        default=None,
        gt=0,
        description="Fires where the mean is below its best by more than this share of the best's size.",
    )
    window: int = Field(default=10, ge=1, description="Updates with a value that the mean is taken over.")

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        bounds = {"above": self.above, "below": self.below, "falls_by": self.falls_by}
        given = [name for name, bound in bounds.items() if bound is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of above, below and falls_by; {' and '.join(given) or 'none'} is given")
        return self


class PlateauConfig(MetricMonitorConfig):
    """Fires where a metric has not become better by more than `min_delta` for `within_updates` updates."""

    better: Literal["higher", "lower"] = Field(default="higher", description="Which values are better.")
    min_delta: float = Field(default=0.0, ge=0, description="What it takes to be better than the best so far.")
    within_updates: int = Field(ge=1, description="Updates in which that must happen, from the first value on.")


class TargetConfig(MetricMonitorConfig):
    """Fires where the mean of the last `window` values first reaches a target: time to target is then on record."""

    actions: tuple[Action, ...] = Field(
        default=("notify",), min_length=1, description="What is done; `notify`: no more than a warning in the log."
    )
    value: float = Field(description="The target.")
    better: Literal["higher", "lower"] = Field(default="higher", description="From which side it is reached.")
    window: int = Field(default=1, ge=1, description="Updates with a value that the mean is taken over.")


class NonFiniteConfig(MonitorConfig):
    """Fires where a number is NaN or infinite. Stopped by it, the training has failed.

    Where a metric is not finite the training fails without a monitor too; this one records it, and looks at weights.
    """

    of: Literal["metrics", "weights", "both"] = Field(default="both", description="What is looked at.")

    @field_validator("actions")
    @classmethod
    def _saves_nothing(cls, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        if "save_checkpoint" in actions:
            raise ValueError("save_checkpoint: what is not finite is not worth saving; earlier checkpoints stay")
        return actions


class MonitorsConfig(FrozenModel):
    """What watches the training, each under a name of its own; see docs/monitors.md."""

    divergence: dict[str, DivergenceConfig] = Field(default={}, description="A metric beyond a bound, by name.")
    plateau: dict[str, PlateauConfig] = Field(default={}, description="A metric that stays as it is, by name.")
    target: dict[str, TargetConfig] = Field(default={}, description="A metric that reaches a value, by name.")
    non_finite: dict[str, NonFiniteConfig] = Field(default={}, description="A number that is none, by name.")

    @field_validator("*")
    @classmethod
    def _have_names(cls, monitors: dict[str, Any]) -> dict[str, Any]:
        for name in monitors:
            if not re.match(MONITOR_NAME, name):
                raise ValueError(f"{name!r} is no name of a monitor: 1 to 80 letters, digits, `_` and `-`")
        return monitors
