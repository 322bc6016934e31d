"""PPO's loss with a penalty on the KL divergence; never touches a network or an optimizer.

Schulman et al. 2017, "Proximal policy optimization algorithms", arXiv:1707.06347, equation 8 with a fixed coefficient.
"""

from typing import ClassVar

from pydantic import Field

from trainer.ops.op import LossOp, complete, moved
from trainer.ops.slots import Loss, Sample


class PpoKl(LossOp):
    """The surrogate without clipping, and a price for moving away from the policy that acted.

    `L = -E[r A] + beta * E[(r - 1) - log r]`, the second factor an unbiased, never negative estimate of
    `KL(old, new)` from the old policy's actions.
    """

    name: ClassVar[str] = "ppo_kl"
    beta: float = Field(default=1.0, ge=0, description="Price of a nat of divergence.")

    def __call__(self, sample: Sample) -> Loss:
        """Compute."""
        by = moved(sample)
        slope = by.ratio * (self.beta - sample.advantages) - self.beta
        return complete(sample, by, -by.ratio * sample.advantages, slope, kl_coef=self.beta)
