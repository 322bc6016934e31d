"""The scale of rewards, learned as they come; never changes their sign or order.

Engstrom et al. 2020, "Implementation matters in deep policy gradients", arXiv:2005.12729, reward scaling.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CLIP = 10.0


class Moments:
    """Running mean and variance over batches (Chan et al. 1983), starting from mean 0 and variance 1."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 1e-4
        self.mean = np.zeros(shape, np.float64)
        self.variance = np.ones(shape, np.float64)

    def update(self, batch: NDArray[np.floating]) -> None:
        """Take in a batch (B, *shape)."""
        size, mean, variance = len(batch), batch.mean(0, dtype=np.float64), batch.var(0, dtype=np.float64)
        total = self.count + size
        shift = mean - self.mean
        between = shift**2 * self.count * size / total
        self.variance = (self.variance * self.count + variance * size + between) / total
        self.mean = self.mean + shift * size / total
        self.count = total


class RewardScale:
    """Divides rewards by the standard deviation of each agent's running discounted return."""

    def __init__(self, num_slots: int, gamma: float) -> None:
        self.gamma = gamma
        self.moments = Moments(())
        self._returns = np.zeros(num_slots, np.float64)

    def __call__(self, rewards: Floats, ends: NDArray[np.bool_]) -> Floats:
        """Take in the rewards and episode ends (T, N) of a rollout; return the scaled rewards (T, N)."""
        returns = np.empty(rewards.shape, np.float64)
        for t, reward in enumerate(rewards):
            self._returns = self._returns * self.gamma + reward
            returns[t] = self._returns
            self._returns[ends[t]] = 0
        self.moments.update(returns.reshape(-1))
        scale = np.sqrt(self.moments.variance + 1e-8)
        return np.clip(rewards / scale, -CLIP, CLIP).astype(np.float32)

    def restart(self) -> None:
        """Begin anew with every agent's discounted return; what was learned of their spread stays."""
        self._returns[:] = 0

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from what a checkpoint kept; agents' returns begin anew."""
        self.moments.count = state["count"]
        self.moments.mean, self.moments.variance = np.array(state["mean"]), np.array(state["variance"])
        self.restart()

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps of it: not the agents' running returns, since episodes begin anew after it."""
        return {"count": self.moments.count, "mean": float(self.moments.mean), "variance": float(self.moments.variance)}
