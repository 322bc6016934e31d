"""Sums of an embedding's rows by a sparse product are those of torch's embedding bag, and so is their gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import embedding_bag

from trainer.policies.pooling import Bags, Pooled

WIDTH = 5


def bags(rows, weights) -> Bags:
    """Of rows (B, K) and weights (B, K); row 0 is padding, and is left out."""
    rows, weights = torch.as_tensor(rows, dtype=torch.int32), torch.as_tensor(weights, dtype=torch.float32)
    ends = torch.cat([torch.zeros(1), (rows != 0).sum(1).cumsum(0)]).int()
    return Bags(rows[rows != 0].numpy(), weights[rows != 0].numpy(), ends.numpy())


def test_a_bag_is_the_weighed_sum_of_its_rows_and_an_empty_one_is_zero():
    embedding = torch.tensor([[9.0, 9.0], [1.0, 2.0], [10.0, 20.0]], requires_grad=True)
    pooled = Pooled.apply(embedding, bags([[1, 2, 0], [0, 0, 0]], [[2.0, 0.5, 7.0], [7.0] * 3]))
    assert pooled.tolist() == [[7, 14], [0, 0]]
    pooled.backward(torch.tensor([[1.0, -1.0], [5.0, 5.0]]))
    assert embedding.grad is not None and embedding.grad.tolist() == [[0, 0], [2, -2], [0.5, -0.5]]


@given(size=st.integers(2, 40), number=st.integers(1, 30), count=st.integers(1, 20), seed=st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_sums_and_gradient_are_those_of_an_embedding_bag(size: int, number: int, count: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(size, WIDTH, generator=generator).requires_grad_()
    rows = torch.randint(size, (number, count), generator=generator, dtype=torch.int32)
    weights, change = torch.randn(number, count, generator=generator), torch.randn(number, WIDTH, generator=generator)
    ours = Pooled.apply(embedding, bags(rows, weights))
    theirs = embedding_bag(rows, embedding, mode="sum", per_sample_weights=weights, padding_idx=0)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    (one,), (other,) = (torch.autograd.grad(sums, embedding, change) for sums in (ours, theirs))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_the_same_bags_give_the_same_bits():
    embedding, rows = torch.randn(50, WIDTH, requires_grad=True), torch.randint(50, (64, 9), dtype=torch.int32)
    found = [
        torch.autograd.grad(Pooled.apply(embedding, bags(rows, torch.ones(64, 9))).sum(), embedding)[0] for _ in "ab"
    ]
    assert torch.equal(*found)


@pytest.mark.parametrize("rows", [[[0, 0]], [[1, 1]]])
def test_a_row_that_stands_twice_counts_twice(rows):
    pooled = Pooled.apply(torch.tensor([[3.0], [4.0]]), bags(rows, [[1.0, 1.0]]))
    assert pooled.tolist() == [[8.0 if rows[0][0] else 0.0]]
