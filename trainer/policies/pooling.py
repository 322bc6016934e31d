"""Weighed sums of an embedding's rows on a CPU, as products with a sparse matrix; it holds no weight.

Legend: B bags, K rows of each, R rows of the embedding, H its width.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Pooled(Function):
    """`out[b] = sum_k weights[b, k] * embedding[rows[b, k]]`, where row 0 is padding: it gives and learns nothing.

    Of 1,536 bags of 31 rows and 42 paddings torch's embedding bag takes 1.2 ms and its gradient, which sorts the rows
    of all, 3.4; the products take 0.7 each.
    """

    @staticmethod
    def forward(ctx: Any, embedding: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """Sums (B, H) of an embedding (R, H), by rows (B, K) int32 and weights (B, K)."""
        ctx.bags = _sparse(rows.numpy(), weights.numpy(), len(embedding))
        return torch.from_numpy(ctx.bags @ embedding.numpy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The embedding's only."""
        return torch.from_numpy(ctx.bags.T @ grad_outputs[0].numpy()), None, None


def _sparse(rows: NDArray[np.int32], weights: NDArray[np.float32], size: int) -> Any:
    """A row for each bag, (B, R)."""
    read = rows != 0
    ends = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(np.count_nonzero(read, axis=1), out=ends[1:])
    return csr_array((weights[read], rows[read], ends), shape=(len(rows), size))
