"""Muon: orthogonal steps for hidden matrices, Adam for the rest; never decides a learning rate or clips a gradient.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". The scale is that of Liu et al. 2025,
"Muon is scalable for LLM training", arXiv:2502.16982: steps as large as those of Adam, at the same learning rate.
"""

from math import sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from trainer.ops.adam import Adam
from trainer.ops.op import OptimizerOp
from trainer.ops.slots import Matrix, OptimizerStep

if TYPE_CHECKING:
    from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
ADAM_RMS = 0.2


class Muon(OptimizerOp):
    """The momentum of each hidden matrix, made nearly orthogonal by Newton-Schulz iterations, then taken as a step.

    `b = momentum * b + (1 - momentum) * g` and `p -= learning_rate * 0.2 * sqrt(max(rows, columns)) * orthogonal(b')`
    with Nesterov's `b' = momentum * b + (1 - momentum) * g`. Biases, embeddings and heads are stepped by Adam.
    """

    name: ClassVar[str] = "muon"
    momentum: float = Field(default=0.95, ge=0, lt=1, description="Decay of the mean gradient of hidden matrices.")
    weight_decay: float = Field(default=0.0, ge=0, description="Decoupled decay of hidden matrices.")
    adam: Adam = Field(default=Adam(), description="What steps all other parameters.")

    def __call__(self, step: OptimizerStep) -> None:
        """Step all parameters."""
        if "momentum" not in step.state:
            step.state["momentum"] = step.gradients.new_zeros(step.gradients.shape)
        kept = [_view(step.parameters, matrix).clone() for matrix in step.hidden]
        adam = {name.removeprefix("adam_"): value for name, value in step.state.items() if name.startswith("adam_")}
        self.adam.move(step.parameters, step.gradients, step.learning_rate, adam)
        step.state.update({f"adam_{name}": value for name, value in adam.items()})
        for matrix, before in zip(step.hidden, kept, strict=True):
            _view(step.parameters, matrix).copy_(self._moved(before, matrix, step))

    def _moved(self, before: "Tensor", matrix: Matrix, step: OptimizerStep) -> "Tensor":
        gradient, momentum = _view(step.gradients, matrix), _view(step.state["momentum"], matrix)
        momentum.lerp_(gradient, 1 - self.momentum)
        direction = orthogonal(gradient.lerp(momentum, self.momentum))
        scale = ADAM_RMS * sqrt(max(matrix.rows, matrix.columns))
        shrunk = before * (1 - step.learning_rate * self.weight_decay)
        return shrunk.sub_(direction, alpha=step.learning_rate * scale)


def orthogonal(matrix: "Tensor") -> "Tensor":
    """The nearest matrix with equal singular values, roughly: five quintic Newton-Schulz iterations in float32."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def _view(flat: "Tensor", matrix: Matrix) -> "Tensor":
    return flat[matrix.start : matrix.start + matrix.rows * matrix.columns].view(matrix.rows, matrix.columns)
