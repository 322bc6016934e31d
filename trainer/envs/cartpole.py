"""CartPole-v1 as arrays, all copies in one step; it equals Gymnasium's own bit by bit and never resets itself.

The system is that of Barto, Sutton & Anderson, "Neuronlike adaptive elements that can solve difficult learning control
problems", 1983. Each formula keeps Gymnasium's order of operations, because another order rounds differently.
"""

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

from trainer.envs.arrays import StepArrays
from trainer.envs.first_numbers import first_numbers

_FORCES = np.array([-10.0, 10.0])
_FARTHEST, _STEEPEST = 2.4, 12 * 2 * pi / 360
_FIRST_STATES = 0.05

# Arrays without a dimension: numpy would otherwise convert each number again in each operation.
_GRAVITY = np.array(9.8)
_POLE_MASS = np.array(0.1)
_TOTAL_MASS = np.array(0.1 + 1.0)
_HALF_LENGTH = np.array(0.5)
_MASS_LENGTH = np.array(0.1 * 0.5)
_FOUR_THIRDS = np.array(4.0 / 3.0)
_SECONDS = np.array(0.02)
_STEP = np.array(1)
_LONGEST = np.array(500)


class CartPoles:
    """The `EnvBatch` of CartPole-v1.

    Legend: n rows. `state` is float64 (2, 2, n): place and speed, each of the cart (m, m/s) and of the pole's angle
    (rad, rad/s). Every step pays 1; an episode ends where the cart leaves 2.4 m or the pole 12 degrees on either side,
    and is truncated after 500 steps.
    """

    def __init__(self, arrays: StepArrays) -> None:
        rows = len(arrays.rewards)
        self._arrays = arrays
        self._observations = arrays.observations.reshape(rows, 2, 2).transpose(2, 1, 0)
        self.state = np.zeros((2, 2, rows))
        self._places, self._speeds = self.state
        self._rows = self.state.transpose(2, 1, 0)
        self._limits = np.repeat([[_FARTHEST], [_STEEPEST]], rows, axis=1)
        self._steps = np.zeros(rows, np.int64)

    def first(self, seeds: NDArray[np.int64]) -> NDArray[np.float64]:
        """The states in which the episodes of these seeds begin, (n, 4)."""
        return 2 * _FIRST_STATES * first_numbers(seeds, 4) - _FIRST_STATES

    def reset(self, rows: NDArray[np.intp], first: Sequence[NDArray[np.float64]]) -> None:
        """Begin episodes in these states."""
        states = np.array(first)
        self._rows[rows] = states.reshape(-1, 2, 2)
        self._arrays.observations[rows] = states
        self._steps[rows] = 0

    def step(self) -> None:
        """Push every cart, and let time pass."""
        arrays = self._arrays
        accelerations = self._accelerations()
        self._places += _SECONDS * self._speeds
        self._speeds += _SECONDS * accelerations
        self._steps += _STEP
        self._observations[...] = self.state
        arrays.rewards.fill(1)
        np.logical_or(*(np.absolute(self._places) > self._limits), out=arrays.terminated)
        np.greater_equal(self._steps, _LONGEST, out=arrays.truncated)

    def _accelerations(self) -> NDArray[np.float64]:
        """(2, n): of the cart, and of the pole's angle."""
        angle, spin = self._places[1], self._speeds[1]
        cos, sin = np.cos(angle), np.sin(angle)
        pushed = (_FORCES.take(self._arrays.actions) + _MASS_LENGTH * np.square(spin) * sin) / _TOTAL_MASS
        inertia = _HALF_LENGTH * (_FOUR_THIRDS - _POLE_MASS * np.square(cos) / _TOTAL_MASS)
        found = np.empty_like(self._places)
        turned = np.divide(_GRAVITY * sin - cos * pushed, inertia, out=found[1])
        np.subtract(pushed, _MASS_LENGTH * turned * cos / _TOTAL_MASS, out=found[0])
        return found
