"""TD(lambda) returns; never touches a network.

Sutton 1988, "Learning to predict by the methods of temporal differences"; Sutton & Barto 2018, section 12.1.
"""

from typing import ClassVar

from pydantic import Field

from trainer.ops.op import AdvantageOp
from trainer.ops.slots import Estimate, Experience


class TdLambda(AdvantageOp):
    """Lambda-returns less the value: the mean of all n-step returns, weighed by powers of lambda.

    `G_t = r_t + gamma * ((1 - lambda) * V(s_{t+1}) + lambda * G_{t+1})`; where an episode or the rollout ends,
    `G_{t+1}` is `V(s_{t+1})`. In exact arithmetic `G_t - V(s_t)` is the advantage of `gae` with the same lambda.
    """

    name: ClassVar[str] = "td_lambda"
    td_lambda: float = Field(default=0.9, ge=0, le=1, description="0: one-step returns; 1: Monte Carlo returns.")

    def __call__(self, experience: Experience) -> Estimate:
        """Estimate, going back from the last step."""
        import numpy as np

        returns = np.empty_like(experience.rewards)
        following = experience.next_values[-1]
        for t in reversed(range(len(returns))):
            following = np.where(experience.ends[t], experience.next_values[t], following)
            mixed = (1 - self.td_lambda) * experience.next_values[t] + self.td_lambda * following
            following = returns[t] = experience.rewards[t] + experience.gamma * mixed
        return Estimate(returns - experience.values, returns)
