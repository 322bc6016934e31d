"""Adam; never decides a learning rate or clips a gradient.

Kingma & Ba 2015, "Adam: a method for stochastic optimization", arXiv:1412.6980, algorithm 1.
"""

from math import sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from trainer.ops.op import OptimizerOp
from trainer.ops.slots import OptimizerStep

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-36


class Adam(OptimizerOp):
    """Steps of the size of the learning rate, in the direction of the mean gradient over its root mean square.

    `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`, and after t steps
    `p -= learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)`.
    """

    name: ClassVar[str] = "adam"
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the mean gradient.")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Decay of the mean squared gradient.")
    eps: float = Field(default=1e-5, gt=0, description="Added to the root mean square.")

    def __call__(self, step: OptimizerStep) -> None:
        """Step all parameters."""
        self.move(step.parameters, step.gradients, step.learning_rate, step.state)

    def move(self, parameters: "Tensor", gradients: "Tensor", learning_rate: float, state: "dict[str, Tensor]") -> None:
        """Step these parameters in place; their moments are in `state`, and on the host the number of steps."""
        if not state:
            state |= {
                "steps": gradients.new_zeros((), device="cpu"),
                "mean": gradients.new_zeros(gradients.shape),
                "square": gradients.new_zeros(gradients.shape),
            }
        state["steps"] += 1
        steps = int(state["steps"])
        state["mean"].lerp_(gradients, 1 - self.beta1)
        state["square"].mul_(self.beta2).addcmul_(gradients, gradients, value=1 - self.beta2)
        # Both moments' biases as one number, as the paper's section 2 ends: that of the root scales eps instead.
        of_mean, of_root = 1 - self.beta1**steps, sqrt(1 - self.beta2**steps)
        # On a CPU the roots of zeros, of which embeddings have many, take thrice as long; beside eps this one is none.
        root = state["square"].clamp_min(LEAST).sqrt_().add_(self.eps * of_root)
        parameters.addcdiv_(state["mean"], root, value=-learning_rate * of_root / of_mean)
