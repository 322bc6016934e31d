"""The arrays that environments and trainer share, as views of one block of memory; it never copies, owns or locks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from trainer.envs.interface import Spaces

_ALIGNMENT = 64


@dataclass(frozen=True, eq=False)
class StepArrays:
    """Views of N slots: what goes into a step (actions) and what comes out of it.

    Legend: N slots (slot = env * A + agent), * the space's own shape.
    `actions` (N, *), `observations` (N, *), `final_observations` (N, *), `rewards` (N,) float32,
    `terminated` and `truncated` (N,) bool.
    """

    actions: NDArray[Any]
    observations: NDArray[Any]
    final_observations: NDArray[Any]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    @classmethod
    def over(cls, memory: Any, spaces: Spaces, num_slots: int) -> "StepArrays":
        """The views over a buffer of `bytes_needed(spaces, num_slots)` bytes."""
        views, offset = [], 0
        for shape, dtype in _layout(spaces, num_slots):
            count = int(np.prod(shape))
            views.append(np.frombuffer(memory, dtype, count, offset).reshape(shape))
            offset += _aligned(count * np.dtype(dtype).itemsize)
        return cls(*views)

    def rows(self, start: int, stop: int) -> "StepArrays":
        """Views of the slots `start..stop-1`."""
        return StepArrays(*(getattr(self, name)[start:stop] for name in self.__dataclass_fields__))


def bytes_needed(spaces: Spaces, num_slots: int) -> int:
    """The size of the block that `StepArrays.over` needs."""
    return sum(_aligned(int(np.prod(shape)) * np.dtype(dtype).itemsize) for shape, dtype in _layout(spaces, num_slots))


def _layout(spaces: Spaces, num_slots: int) -> list[tuple[tuple[int, ...], DTypeLike]]:
    observation = ((num_slots, *spaces.observation.shape), spaces.observation.dtype)
    action = ((num_slots, *spaces.action.shape), spaces.action.dtype)
    flags = ((num_slots,), np.bool_)
    return [action, observation, observation, ((num_slots,), np.float32), flags, flags]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
