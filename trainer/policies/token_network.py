"""A network of tokens in numpy on a CPU: bags of an embedding's rows before its linear layers; it takes no step.

Legend: B rows, D the embedding's width.
"""

import numpy as np
import torch
from torch import Tensor, nn

from trainer.policies.encoders import TokenTrunk
from trainer.policies.network import Floats, Network, activate, slope_of
from trainer.policies.pooling import Bags


class TokenNetwork(Network):
    """The linear layers see the pooled embedding after its activation."""

    _bags: Bags  # of the last call
    _seen: Floats  # (B, D), and the gradient by it
    _by_seen: Floats

    def __init__(self, trunk: TokenTrunk, *lasts: nn.Linear) -> None:
        super().__init__(trunk.layers, lasts, trunk.activation)
        self._encoder = trunk.encoder

    def see(self, observations: Tensor) -> Floats:
        """Pooled."""
        self._bags = self._encoder.bags(observations)
        self._seen = self._bags.sums(self._encoder.embedding.weight).numpy()
        self._seen += self._encoder.bias.detach().numpy()
        activate(self._seen, self._activation)
        return self._seen

    def differentiate(self, slope: Floats) -> None:
        """As `Network` says, and the gradient of the embedding."""
        self._by_seen = np.empty_like(self._seen)
        super().differentiate(slope)
        self._by_seen *= slope_of(self._seen, self._activation)
        change, embedding, bias = torch.from_numpy(self._by_seen), self._encoder.embedding.weight, self._encoder.bias
        assert embedding.grad is not None and bias.grad is not None
        embedding.grad.copy_(self._bags.gradient(change, len(embedding)))
        torch.sum(change, 0, out=bias.grad)

    def _pass_on(self, change: Floats, weight: Floats, rows: slice) -> None:
        np.dot(change, weight, out=self._by_seen[rows])
