"""Generalized advantage estimation; never touches a network.

Schulman et al. 2016, "High-dimensional continuous control using generalized advantage estimation", arXiv:1506.02438.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


def gae(
    rewards: Floats, values: Floats, next_values: Floats, ends: Flags, *, gamma: float, gae_lambda: float
) -> tuple[Floats, Floats]:
    """Advantages and returns, each (T, N), for T steps of N agents.

    `delta_t = r_t + gamma * V(s_{t+1}) - V(s_t)` and `A_t = delta_t + gamma * lambda * A_{t+1}`, the sum cut where an
    episode ends (`ends`: terminated or truncated). `next_values` is V of each step's successor state: 0 where the
    episode terminated, the value of its final observation where it was truncated. Returns are `A_t + V(s_t)`.
    """
    deltas = (rewards + gamma * next_values - values).astype(np.float32)
    decay = gamma * gae_lambda * (~ends).astype(np.float32)
    advantages = np.empty_like(deltas)
    tail = np.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        tail = deltas[t] + decay[t] * tail
        advantages[t] = tail
    return advantages, advantages + values
