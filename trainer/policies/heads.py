"""From features to a distribution over actions; never samples with torch's global generator."""

from math import log, pi
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from trainer.envs.interface import ActionSpace, DiscreteActions
from trainer.policies.encoders import linear
from trainer.policies.transfer import sent


class ActionHead(Protocol):
    """A family of distributions over actions. `parameters_of` are (B, P); log-probabilities and entropies (B,)."""

    def __call__(self, features: Tensor) -> Tensor:
        """The distribution's parameters for features (B, H)."""
        ...

    def sample(self, parameters_of: Tensor, generator: Generator) -> Tensor:
        """One action for each row."""
        ...

    def mode(self, parameters_of: Tensor) -> Tensor:
        """The likeliest action for each row."""
        ...

    def log_prob(self, parameters_of: Tensor, actions: Tensor) -> Tensor:
        """Log-probability (density) of the actions."""
        ...

    def entropy(self, parameters_of: Tensor) -> Tensor:
        """Entropy in nats."""
        ...


class CategoricalHead(nn.Module):
    """One of n actions; the parameters are normalized log-probabilities (B, n)."""

    def __init__(self, size: int, n: int) -> None:
        super().__init__()
        self.layer = linear(size, n, gain=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities (B, n)."""
        return self.layer(features).log_softmax(-1)

    def sample(self, parameters_of: Tensor, generator: Generator) -> Tensor:
        """By the Gumbel-max trick: `argmax(log p - log(-log u))`."""
        uniform = sent(torch.rand(parameters_of.shape, generator=generator), parameters_of.device)
        return (parameters_of - (-uniform.log()).log()).argmax(-1)

    def mode(self, parameters_of: Tensor) -> Tensor:
        """The action with the largest probability."""
        return parameters_of.argmax(-1)

    def log_prob(self, parameters_of: Tensor, actions: Tensor) -> Tensor:
        """The row of each action."""
        return parameters_of.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self, parameters_of: Tensor) -> Tensor:
        """`-sum p log p`."""
        return -(parameters_of.exp() * parameters_of).sum(-1)


class GaussianHead(nn.Module):
    """A vector of d independent normals, their deviation a parameter of its own; parameters are (B, 2d)."""

    def __init__(self, size: int, d: int) -> None:
        super().__init__()
        self.layer = linear(size, d, gain=0.01)
        self.log_std = nn.Parameter(torch.zeros(d))

    def forward(self, features: Tensor) -> Tensor:
        """Means and log standard deviations, side by side."""
        mean = self.layer(features)
        return torch.cat([mean, self.log_std.expand_as(mean)], -1)

    def sample(self, parameters_of: Tensor, generator: Generator) -> Tensor:
        """`mean + std * noise`; the environment clips it to its bounds."""
        mean, log_std = parameters_of.chunk(2, -1)
        return mean + log_std.exp() * sent(torch.randn(mean.shape, generator=generator), mean.device)

    def mode(self, parameters_of: Tensor) -> Tensor:
        """The mean."""
        return parameters_of.chunk(2, -1)[0]

    def log_prob(self, parameters_of: Tensor, actions: Tensor) -> Tensor:
        """`-((a - mean) / std)^2 / 2 - log std - log(2 pi) / 2`, summed over the d components."""
        mean, log_std = parameters_of.chunk(2, -1)
        z = (actions - mean) * (-log_std).exp()
        return (-0.5 * z.square() - log_std - 0.5 * log(2 * pi)).sum(-1)

    def entropy(self, parameters_of: Tensor) -> Tensor:
        """`log std + (1 + log(2 pi)) / 2`, summed over the d components."""
        return (parameters_of.chunk(2, -1)[1] + 0.5 * (1 + log(2 * pi))).sum(-1)


def build_head(space: ActionSpace, size: int) -> CategoricalHead | GaussianHead:
    """The head for an environment's actions."""
    if isinstance(space, DiscreteActions):
        return CategoricalHead(size, space.n)
    return GaussianHead(size, len(space.low))
