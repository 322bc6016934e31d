"""V-trace, returns corrected for a policy that has moved on; never touches a network.

Espeholt et al. 2018, "IMPALA: scalable distributed deep-RL with importance weighted actor-learner architectures",
arXiv:1802.01561, equation 1 and section 4.2.
"""

from typing import ClassVar

from pydantic import Field

from trainer.ops.op import AdvantageOp
from trainer.ops.slots import Estimate, Experience


class VTrace(AdvantageOp):
    """V-trace targets and their policy-gradient advantages.

    With ratios `w_t = pi(a_t) / mu(a_t)`, `rho_t = min(rho_clip, w_t)` and `c_t = min(c_clip, w_t)`:
    `delta_t = rho_t * (r_t + gamma * V(s_{t+1}) - V(s_t))`,
    `v_t - V(s_t) = delta_t + gamma * c_t * (v_{t+1} - V(s_{t+1}))`, cut where an episode ends, and the advantage is
    `rho_t * (r_t + gamma * v_{t+1} - V(s_t))`. Where both policies are the same, the targets are Monte Carlo returns.
    """

    name: ClassVar[str] = "vtrace"
    rho_clip: float = Field(default=1.0, gt=0, description="Bound of the ratio that weighs each step's own error.")
    c_clip: float = Field(default=1.0, gt=0, description="Bound of the ratio by which later errors are passed back.")

    def __call__(self, experience: Experience) -> Estimate:
        """Estimate, going back from the last step."""
        import numpy as np

        ratios = np.exp(experience.target_log_probs - experience.log_probs)
        rho, c = np.minimum(ratios, self.rho_clip), np.minimum(ratios, self.c_clip)
        values, next_values = experience.values, experience.next_values
        returns, advantages = np.empty_like(values), np.empty_like(values)
        excess = np.zeros_like(values[0])
        for t in reversed(range(len(values))):
            excess = np.where(experience.ends[t], 0, excess)
            target = experience.rewards[t] + experience.gamma * (next_values[t] + excess)
            advantages[t] = rho[t] * (target - values[t])
            delta = rho[t] * (experience.rewards[t] + experience.gamma * next_values[t] - values[t])
            excess = delta + experience.gamma * c[t] * excess
            returns[t] = values[t] + excess
        return Estimate(advantages, returns)
