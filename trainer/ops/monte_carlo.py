"""Monte Carlo returns with a baseline; never touches a network.

Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning" (REINFORCE).
"""

from typing import ClassVar

from trainer.ops.op import AdvantageOp
from trainer.ops.slots import Estimate, Experience


class MonteCarlo(AdvantageOp):
    """Discounted rewards to the end of the episode, less the value: unbiased, with the most variance.

    `G_t = r_t + gamma * G_{t+1}`; where the rollout ends or an episode is truncated, `G_{t+1}` is
    `V(s_{t+1})`; where it terminated, 0.
    """

    name: ClassVar[str] = "monte_carlo"

    def __call__(self, experience: Experience) -> Estimate:
        """Estimate, going back from the last step."""
        import numpy as np

        returns = np.empty_like(experience.rewards)
        following = experience.next_values[-1]
        for t in reversed(range(len(returns))):
            following = np.where(experience.ends[t], experience.next_values[t], following)
            following = returns[t] = experience.rewards[t] + experience.gamma * following
        return Estimate(returns - experience.values, returns)
