"""How a tensor of the host reaches the device where networks compute; it never waits for it to be there."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on `device`; where that is the host, itself.

    On its way to a GPU it is copied to pinned memory, from which the GPU fetches it while the host goes on. Torch's own
    allocator keeps that memory until it was fetched, so the given tensor may be changed at once.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
