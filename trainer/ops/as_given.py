"""Rewards as the environment gives them; never scales one."""

from typing import TYPE_CHECKING, ClassVar

from trainer.ops.op import RewardOp
from trainer.ops.slots import Earned

if TYPE_CHECKING:
    from trainer.ops.slots import Floats


class AsGiven(RewardOp):
    """The environment's own reward."""

    name: ClassVar[str] = "as_given"

    def __call__(self, earned: Earned) -> "Floats":
        """Pay."""
        return earned.rewards
