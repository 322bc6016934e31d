"""The policy-gradient loss of advantage actor-critic; never touches a network or an optimizer.

Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning", arXiv:1602.01783, section 4.
"""

from typing import ClassVar

from trainer.ops.op import LossOp, complete, moved
from trainer.ops.slots import Loss, Sample


class A2c(LossOp):
    """The plain policy gradient, `L = -E[log pi(a) A]`: right for one epoch over each rollout, biased for more."""

    name: ClassVar[str] = "a2c"

    def __call__(self, sample: Sample) -> Loss:
        """Compute."""
        return complete(sample, moved(sample), -sample.log_probs.detach() * sample.advantages, -sample.advantages)
