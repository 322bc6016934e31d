"""A number with a known gradient is an ordinary number of autograd, whatever is made of it."""

import pytest
import torch
from torch import Tensor

from trainer.ops.slopes import slopes_of, with_slopes

SLOPES = (torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0]))


@pytest.fixture
def leaves() -> list[Tensor]:
    return [torch.tensor([3.0, 4.0], requires_grad=True) for _ in SLOPES]


@pytest.fixture
def number(leaves: list[Tensor]) -> Tensor:
    return with_slopes(torch.tensor(7.0), leaves, SLOPES)


def test_it_is_the_number_with_the_gradient_that_was_told(number, leaves):
    assert number.item() == 7
    for found, told in zip(torch.autograd.grad(number, leaves), SLOPES, strict=True):
        assert torch.equal(found, told)


def test_what_is_made_of_it_has_the_gradient_of_that(number, leaves):
    made = 2 * number + leaves[0].square().sum()
    assert slopes_of(made, leaves) is None
    made.backward()
    assert leaves[0].grad is not None and leaves[0].grad.tolist() == [2 * 1 + 6, 2 * -2 + 8]


def test_its_slopes_are_known_for_just_the_leaves_that_it_was_made_of(number, leaves):
    known = slopes_of(number, leaves)
    assert known is not None and all(one is other for one, other in zip(known, SLOPES, strict=True))
    assert slopes_of(number, leaves[::-1]) is None
    of_others = with_slopes(torch.tensor(7.0), [2 * leaf for leaf in leaves], SLOPES)
    assert slopes_of(of_others, leaves) is None


def test_a_number_that_was_changed_in_place_has_the_gradient_of_what_it_is_now(number, leaves):
    number *= 3
    assert slopes_of(number, leaves) is None
    assert torch.equal(torch.autograd.grad(number, leaves)[0], 3 * SLOPES[0])


def test_a_number_of_another_kind_has_no_known_slopes(leaves):
    assert slopes_of(torch.tensor(7.0), leaves) is None
    assert slopes_of(leaves[0].sum(), leaves) is None
