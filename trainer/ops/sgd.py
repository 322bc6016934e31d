"""Stochastic gradient descent with momentum; never decides a learning rate or clips a gradient.

Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", in the form that applies the
learning rate to the accumulated gradient.
"""

from typing import ClassVar

from pydantic import Field

from trainer.ops.op import OptimizerOp
from trainer.ops.slots import OptimizerStep


class Sgd(OptimizerOp):
    """Steps along the accumulated gradient: `b = momentum * b + g + weight_decay * p`, `p -= learning_rate * b`."""

    name: ClassVar[str] = "sgd"
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Part of the last step's direction that is kept.")
    weight_decay: float = Field(default=0.0, ge=0, description="L2 penalty on parameters.")

    def __call__(self, step: OptimizerStep) -> None:
        """Step all parameters."""
        gradients = step.gradients.add(step.parameters, alpha=self.weight_decay)
        if not step.state:
            step.state["momentum"] = gradients.new_zeros(gradients.shape)
        direction = step.state["momentum"].mul_(self.momentum).add_(gradients)
        step.parameters.sub_(direction, alpha=step.learning_rate)
