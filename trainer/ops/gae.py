"""Generalized advantage estimation; never touches a network.

Schulman et al. 2016, "High-dimensional continuous control using generalized advantage estimation", arXiv:1506.02438.
"""

from typing import ClassVar

from pydantic import Field

from trainer.ops.op import AdvantageOp
from trainer.ops.slots import Estimate, Experience


class Gae(AdvantageOp):
    """Generalized advantage estimation: a decaying sum of one-step errors.

    `delta_t = r_t + gamma * V(s_{t+1}) - V(s_t)` and `A_t = delta_t + gamma * lambda * A_{t+1}`, the sum cut where an
    episode ends. Returns are `A_t + V(s_t)`. Lambda 0 is the one-step error, lambda 1 the Monte Carlo return.
    """

    name: ClassVar[str] = "gae"
    gae_lambda: float | None = Field(default=None, ge=0, le=1, description="Decay; none: the spec's ppo.gae_lambda.")

    def __call__(self, experience: Experience) -> Estimate:
        """Estimate, going back from the last step."""
        import numpy as np

        gamma = experience.gamma
        gae_lambda = experience.gae_lambda if self.gae_lambda is None else self.gae_lambda
        deltas = (experience.rewards + gamma * experience.next_values - experience.values).astype(np.float32)
        decay = gamma * gae_lambda * (~experience.ends).astype(np.float32)
        advantages = np.empty_like(deltas)
        tail = np.zeros_like(deltas[0])
        for t in reversed(range(len(deltas))):
            tail = deltas[t] + decay[t] * tail
            advantages[t] = tail
        return Estimate(advantages, advantages + experience.values)
