"""The closed form of a perceptron's gradient is what autograd finds."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.envs.interface import VectorObservations
from trainer.policies.encoders import VectorEncoder, VectorTrunk
from trainer.policies.layers import perceptron

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
shapes = st.lists(st.integers(1, 9), min_size=2, max_size=5)


def made(sizes: list[int], dtype: torch.dtype = torch.float32) -> list[nn.Linear]:
    return [nn.Linear(*pair, dtype=dtype) for pair in pairwise(sizes)]


def by_autograd(inputs: torch.Tensor, layers: list[nn.Linear], activation: str) -> torch.Tensor:
    return nn.Sequential(*(part for layer in layers for part in (layer, ACTIVATIONS[activation]())))(inputs)


def gradients(outputs: torch.Tensor, of: list[torch.Tensor]) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 2, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return list(torch.autograd.grad((outputs * weights).sum(), of))


@given(sizes=shapes, rows=st.integers(1, 40), seed=st.integers(0, 2**31), activation=st.sampled_from(list(ACTIVATIONS)))
@settings(max_examples=20, deadline=None)
def test_values_and_gradients_are_those_of_autograd_for_any_shape(sizes, rows, seed, activation):
    torch.manual_seed(seed)
    layers = made(sizes, torch.float64)
    inputs = torch.randn(rows, sizes[0], dtype=torch.float64, requires_grad=True)
    parameters = [inputs, *(parameter for layer in layers for parameter in layer.parameters())]
    ours, theirs = perceptron(inputs, layers, activation), by_autograd(inputs, layers, activation)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for one, other in zip(gradients(ours, parameters), gradients(theirs, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_minibatch_of_the_usual_size_agrees_to_a_millionth(activation):
    torch.manual_seed(0)
    layers, inputs = made([4, 64, 64]), torch.randn(256, 4)
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    ours, theirs = perceptron(inputs, layers, activation), by_autograd(inputs, layers, activation)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    for one, other in zip(gradients(ours.mean(0), parameters), gradients(theirs.mean(0), parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_without_gradients_the_values_are_the_same_bits():
    torch.manual_seed(0)
    layers, inputs = made([4, 64, 64]), torch.randn(256, 4)
    with torch.no_grad():
        acting = perceptron(inputs, layers, "tanh")
    assert torch.equal(acting, perceptron(inputs, layers, "tanh"))


def test_a_trunk_is_its_own_layers_in_their_order():
    torch.manual_seed(0)
    trunk, inputs = VectorTrunk(VectorEncoder(VectorObservations((3,)), 5), [5, 7], "tanh"), torch.randn(6, 3)
    expected = inputs
    for module in trunk:
        expected = module(expected)
    torch.testing.assert_close(trunk(inputs), expected)
    assert list(trunk.state_dict()) == [
        *(f"0.{name}" for name in ("mean", "variance", "count", "layer.weight", "layer.bias")),
        "2.weight",
        "2.bias",
    ]
