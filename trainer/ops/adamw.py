"""Adam with decoupled weight decay; never decides a learning rate or clips a gradient.

Loshchilov & Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101, algorithm 2.
"""

from typing import ClassVar

from pydantic import Field

from trainer.ops.adam import Adam
from trainer.ops.slots import OptimizerStep


class AdamW(Adam):
    """Adam after each parameter was shrunk: `p *= 1 - learning_rate * weight_decay`."""

    name: ClassVar[str] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0, description="Part by which parameters shrink, times learning rate.")

    def __call__(self, step: OptimizerStep) -> None:
        """Shrink, then step."""
        step.parameters.mul_(1 - step.learning_rate * self.weight_decay)
        super().__call__(step)
