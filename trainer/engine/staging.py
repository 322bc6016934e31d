"""Between the host, where environments step, and the device, where networks compute; it never changes a number.

Legend: T steps, N slots, * the shape of an observation, K tokens.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from trainer.envs.interface import TokenObservations
from trainer.policies.transfer import sent


class Seen(Protocol):
    """What was observed in one rollout, step by step; each observation goes to the device once."""

    def add(self, observations: NDArray[np.generic]) -> Tensor:
        """The observations (N, *) of the next step on the device; the array is left as it is from now on."""
        ...

    def stacked(self) -> Tensor:
        """All steps (T, N, *) on the device; tokens of different widths are padded to the widest."""
        ...


class Staging(Protocol):
    """Takes arrays up to the device and brings results down. Types and shapes stay: uint8 goes as uint8."""

    def up(self, array: NDArray[np.generic]) -> Tensor:
        """The array on the device; the array is left as it is from now on."""
        ...

    def down(self, tensor: Tensor) -> NDArray[Any]:
        """A tensor of the device as an array. Waits until it is computed: once a step, for its actions."""
        ...

    def seen(self) -> Seen:
        """What a new rollout observes."""
        ...


class HostStaging:
    """The host is the device: nothing is copied but a rollout's steps, into one."""

    def up(self, array: NDArray[np.generic]) -> Tensor:
        """The same memory."""
        return torch.from_numpy(array)

    def down(self, tensor: Tensor) -> NDArray[Any]:
        """The same memory."""
        return tensor.numpy()

    def seen(self) -> "HostSeen":
        """Arrays."""
        return HostSeen()


class HostSeen:
    """The steps as arrays of the host."""

    def __init__(self) -> None:
        self._steps: list[NDArray[np.generic]] = []

    def add(self, observations: NDArray[np.generic]) -> Tensor:
        """The same memory."""
        self._steps.append(observations)
        return torch.from_numpy(observations)

    def stacked(self) -> Tensor:
        """One copy of all."""
        return torch.from_numpy(_stack(self._steps))


class DeviceStaging:
    """The device has memory of its own; given a CPU as its device, it does the same there, for tests."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def up(self, array: NDArray[np.generic]) -> Tensor:
        """Through pinned memory, without waiting."""
        return sent(torch.from_numpy(array), self._device)

    def down(self, tensor: Tensor) -> NDArray[Any]:
        """Waits."""
        return tensor.cpu().numpy()

    def seen(self) -> "DeviceSeen":
        """Tensors of the device."""
        return DeviceSeen(self)


class DeviceSeen:
    """The steps as they came to the device to be acted on; what is learned from is put together there."""

    def __init__(self, staging: DeviceStaging) -> None:
        self._staging = staging
        self._steps: list[Tensor] = []

    def add(self, observations: NDArray[np.generic]) -> Tensor:
        """Send it up, and keep what is there."""
        self._steps.append(self._staging.up(observations))
        return self._steps[-1]

    def stacked(self) -> Tensor:
        """Nothing goes up again."""
        if len({step.shape for step in self._steps}) == 1:
            return torch.stack(self._steps)
        return torch.stack(widened(self._steps, max(step.shape[1] for step in self._steps)))


def staging_for(device: torch.device) -> Staging:
    """How arrays reach this device."""
    return HostStaging() if device.type == "cpu" else DeviceStaging(device)


def widened(tokens: Sequence[Tensor], columns: int) -> list[Tensor]:
    """Tokens (..., K, 3) with so many columns each, padding in the new ones."""
    missing = [columns - each.shape[-2] for each in tokens]
    return [
        pad(each, (0, 0, 0, more), value=TokenObservations.padding) for each, more in zip(tokens, missing, strict=True)
    ]


def _stack(steps: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Steps (N, *) as (T, N, *); tokens of different widths are padded to the widest."""
    if len({step.shape for step in steps}) == 1:
        return np.stack(steps)
    slots, _, parts = steps[0].shape
    stacked = np.full(
        (len(steps), slots, max(step.shape[1] for step in steps), parts), TokenObservations.padding, np.uint8
    )
    for row, step in zip(stacked, steps, strict=True):
        row[:, : step.shape[1]] = step
    return stacked
