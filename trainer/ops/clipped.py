"""Rewards within bounds; never touches a network.

Mnih et al. 2015, "Human-level control through deep reinforcement learning": one step size for games whose scores differ
by orders of magnitude.
"""

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from trainer.ops.op import RewardOp
from trainer.ops.slots import Earned

if TYPE_CHECKING:
    from trainer.ops.slots import Floats


class Clipped(RewardOp):
    """The environment's reward, `min(max(r, low), high)`: what is beyond the bounds no longer counts."""

    name: ClassVar[str] = "clipped"
    low: float = Field(default=-1.0, description="The least that a step is worth.")
    high: float = Field(default=1.0, description="The most that a step is worth.")

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}")
        return self

    def __call__(self, earned: Earned) -> "Floats":
        """Pay."""
        return earned.rewards.clip(self.low, self.high)
