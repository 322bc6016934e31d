"""PPO's clipped surrogate loss; never touches a network or an optimizer.

Schulman et al. 2017, "Proximal policy optimization algorithms", arXiv:1707.06347, equations 7 and 9.
"""

from typing import ClassVar

from trainer.ops.op import LossOp, complete, moved
from trainer.ops.slots import Loss, Sample


class PpoClip(LossOp):
    """The clipped surrogate: no gain from moving the probability ratio further than `clip_coef` from 1.

    `L = -E[min(r A, clip(r, 1 - clip_coef, 1 + clip_coef) A)]` with `r = exp(log_probs - old_log_probs)`.
    """

    name: ClassVar[str] = "ppo_clip"

    def __call__(self, sample: Sample) -> Loss:
        """Compute."""
        by = moved(sample)
        gain = by.ratio * sample.advantages
        bounded = by.near * sample.advantages
        policy = gain.minimum(bounded).neg_()
        return complete(sample, by, policy, slope=gain.masked_fill_(bounded < gain, 0.0).neg_())
