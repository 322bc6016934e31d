"""How a sweep chooses, whom it stops early, and when it ends; data only, it decides nothing."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.contract.monitors import METRICS, REWARD, WALL_TIME
from trainer.plain.model import FrozenModel
from trainer.plain.refusal import nearest


def reported(metric: str, names: Sequence[str]) -> str:
    """The metric; raises `ValueError` where it is none of these names."""
    if metric in WALL_TIME:
        raise ValueError("is wall time: what is decided by it could not be repeated")
    if metric not in names:
        raise ValueError(f"no run reports this metric; {nearest(metric, names)}")
    return metric


class SamplerConfig(FrozenModel):
    """How the points of the space are chosen; by Optuna (Akiba et al. 2019, arXiv:1907.10902)."""

    type: Literal["grid", "random", "tpe", "cma_es"] = Field(
        default="tpe", description="`grid`: all points in order; `tpe` and `cma_es` learn from the trials that ended."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="The one seed of all that is drawn.")
    startup_trials: int = Field(default=10, ge=1, description="Random trials before `tpe` or `cma_es` learns.")


class PrunerConfig(FrozenModel):
    """Which trials are stopped early: successive halving (ASHA, arXiv:1810.05934; Hyperband, arXiv:1603.06560).

    A trial is looked at when it has trained `min_agent_steps`, then each time it has trained `reduction_factor` times
    as many. It goes on where it is among the best 1/`reduction_factor` of all that came so far, or the best of them.
    """

    type: Literal["none", "asha", "hyperband"] = Field(
        default="none", description="`hyperband`: some trials are first looked at later, in turns."
    )
    metric: str = Field(default=REWARD, description="What a training is judged by while it runs.")
    min_agent_steps: int = Field(default=8192, ge=1, description="Agent-steps before a trial is first looked at.")
    reduction_factor: int = Field(default=3, ge=2, description="One of so many trials goes on.")

    @field_validator("metric")
    @classmethod
    def _is_streamed(cls, metric: str) -> str:
        return reported(metric, METRICS)


class BudgetConfig(FrozenModel):
    """When a sweep ends; the first bound that is reached ends it, and none of them stops a trial in the middle."""

    runs: int | None = Field(default=None, ge=1, description="Trials; none: not bounded.")
    agent_steps: int | None = Field(
        default=None, ge=1, description="No trial begins whose whole training would go beyond; none: not bounded."
    )
    dollars: float | None = Field(
        default=None, gt=0, description="No trial begins once so much is spent; none: not bounded."
    )
    dollars_per_hour: float | None = Field(default=None, gt=0, description="What an hour of a trial costs.")

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.runs is None and self.agent_steps is None and self.dollars is None:
            raise ValueError("a sweep without a budget would never end; give runs, agent_steps or dollars")
        if self.dollars is not None and self.dollars_per_hour is None:
            raise ValueError(f"dollars = {self.dollars:g} cannot be kept without a price; give dollars_per_hour")
        return self
