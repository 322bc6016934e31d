"""The policy's parameters as one vector, and their gradients as another; it never clips or steps them."""

import torch
from torch import Tensor, nn

from trainer.ops.slots import Matrix


class Parameters:
    """All parameters of a policy as views of one vector (P,): a step is a few operations, whatever the layers."""

    def __init__(self, policy: nn.Module) -> None:
        named = dict(policy.named_parameters())
        self.values = torch.cat([parameter.detach().flatten() for parameter in named.values()])
        self.gradients = torch.zeros_like(self.values)
        self.hidden: list[Matrix] = []
        start = 0
        for name, parameter in named.items():
            end = start + parameter.numel()
            parameter.data = self.values[start:end].view_as(parameter)
            parameter.grad = self.gradients[start:end].view_as(parameter)
            if _is_hidden_matrix(name, parameter):
                self.hidden.append(Matrix(start, *parameter.shape))
            start = end


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and not name.startswith("head") and "embedding" not in name
