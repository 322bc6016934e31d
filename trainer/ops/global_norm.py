"""Clipping of gradients by their global norm; never touches a parameter.

Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", arXiv:1211.5063, algorithm 1.
"""

from typing import TYPE_CHECKING, ClassVar

from trainer.ops.op import ClipOp
from trainer.ops.slots import Gradients

if TYPE_CHECKING:
    from torch import Tensor


class GlobalNorm(ClipOp):
    """All gradients are scaled by the same factor, `min(1, max_norm / norm)`, so that their direction stays."""

    name: ClassVar[str] = "global_norm"

    def __call__(self, given: Gradients) -> "Tensor":
        """Clip; the norm before."""
        norm = given.gradients.norm()
        given.gradients.div_(norm.clamp_min(given.max_norm).div_(given.max_norm))
        return norm
