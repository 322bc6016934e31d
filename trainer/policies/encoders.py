"""From observations to features: an MLP for vectors, a pooled embedding for MettaGrid's tokens; never a decision.

Orthogonal weights as in Engstrom et al. 2020, arXiv:2005.12729.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import log1p, prod, sqrt
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from trainer.envs.interface import ObservationSpace, TokenFeature, TokenObservations, VectorObservations
from trainer.policies.layers import Activation, perceptron
from trainer.policies.pooling import Bags, Pooled

Precision = Literal["float32", "bfloat16"]
# MettaGrid says these once for each agent, at a location outside of its window.
SAID_ONCE = ("episode_completion_pct", "last_action")
OBSERVATION_CLIP = 10.0
# Small rows keep the first sums small. In one run each, 0.03 was ahead of 0.15 (sums of unit variance) at first and
# about level at the end: one seed settles nothing.
INITIAL_STD = 0.03


class VectorEncoder(nn.Module):
    """Vectors (B, *shape), flattened and scaled by running moments, through a first layer to (B, width)."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, space: VectorObservations, width: int) -> None:
        super().__init__()
        size = prod(space.shape)
        self.layer = linear(size, width)
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0.0, dtype=torch.float64))
        # Whether `count` is above 0: to ask a GPU would make the host wait for it, at every step and minibatch.
        self._scales = False
        self.register_load_state_dict_post_hook(_note_whether_it_scales)

    def forward(self, observations: Tensor) -> Tensor:
        """The first layer's preactivation."""
        return self.layer(self.scaled(observations))

    def scaled(self, observations: Tensor) -> Tensor:
        """What the first layer is given, (B, D)."""
        flat = observations.flatten(1)
        if self._scales:
            flat = (flat - self.mean) / (self.variance + 1e-8).sqrt()
            flat = flat.float().clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP)
        return flat

    @torch.no_grad()
    def observe(self, observations: Tensor) -> None:
        """Take a batch into the moments (Chan et al. 1983); scaling begins with the first one."""
        batch = observations.flatten(1).double()
        size, mean, variance = len(batch), batch.mean(0), batch.var(0, correction=0)
        total = self.count + size
        shift = mean - self.mean
        between = shift**2 * self.count * size / total
        self.variance.copy_((self.variance * self.count + variance * size + between) / total)
        self.mean.add_(shift * size / total)
        self.count.copy_(total)
        self._scales = True


def _note_whether_it_scales(encoder: VectorEncoder, _: object) -> None:
    encoder._scales = encoder.count.item() > 0


class TokenEncoder(nn.Module):
    """Tokens (B, K, 3), uint8, to (B, width): the sum of one learned row for each (location, meaning).

    Equal to a dense layer on the one-hot window, at the cost of the tokens that are there. A category (`tag`,
    `last_action`) has a row for each of its values; a magnitude has one row, weighed by `log(1 + value)`, or, for the
    part of the episode that has passed, by its fraction. Features that do not bear on what to do are not read.
    """

    first_row: Tensor
    weight: Tensor
    place: Tensor

    def __init__(self, space: TokenObservations, width: int) -> None:
        super().__init__()
        places = _places(space)
        first_row, weight, rows = _reading(space.features, int(places.max()) + 1)
        for name, table in (("first_row", first_row), ("weight", weight), ("place", places)):
            self.register_buffer(name, table, persistent=False)
        self._read = (first_row.view(256, 256) > 0).any(1).numpy()
        self.embedding = nn.EmbeddingBag(rows, width, mode="sum", padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=INITIAL_STD)
        with torch.no_grad():
            self.embedding.weight[0].zero_()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, observations: Tensor) -> Tensor:
        """The pooled embedding before the activation."""
        if observations.device.type == "cpu" and not torch.compiler.is_compiling():
            return Pooled.apply(self.embedding.weight, self.bags(observations)) + self.bias
        location, feature, value = observations.unbind(-1)
        meaning = feature.int().mul_(256).add_(value).flatten()
        first = self.first_row.index_select(0, meaning).view_as(location)
        place = self.place.index_select(0, location.int().flatten()).view_as(location)
        rows = first.add_(place.mul_(first > 0))
        weights = self.weight.index_select(0, meaning).view_as(location)
        return self.embedding(rows, per_sample_weights=weights) + self.bias

    def bags(self, observations: Tensor) -> Bags:
        """The rows of B observations on a CPU, and their weights: 0 where a feature is read, but not its value."""
        tokens = observations.numpy().reshape(-1, 3)
        read = self._read[tokens[:, 1]].nonzero()[0]
        location, feature, value = (tokens[read, part] for part in range(3))
        meaning = feature.astype(np.intp) * 256 + value
        ends = read.searchsorted(np.arange(0, len(tokens) + 1, observations.shape[1]))
        rows, weights = self.first_row.numpy()[meaning] + self.place.numpy()[location], self.weight.numpy()[meaning]
        return Bags(rows, weights, ends.astype(np.int32))


def _places(space: TokenObservations) -> Tensor:
    """For each location, `y << 4 | x`, its place in the window, row by row; 0 outside of it."""
    places = torch.zeros(256, dtype=torch.int32)
    for y in range(space.window_height):
        for x in range(space.window_width):
            places[y << 4 | x] = y * space.window_width + x
    return places


def _reading(features: Sequence[TokenFeature], places: int) -> tuple[Tensor, Tensor, int]:
    """For each (feature, value): its first row (0: not read), to which the place is added; its weight. And all rows."""
    first_row = torch.zeros(256 * 256, dtype=torch.int32)
    weight = torch.zeros(256 * 256)
    next_row = 1
    for feature in features:
        start, span = feature.id * 256, 1 if feature.name in SAID_ONCE else places
        if feature.categories:
            for value in range(len(feature.categories)):
                first_row[start + value] = next_row
                weight[start + value] = 1
                next_row += span
        elif _is_read(feature.name):
            first_row[start : start + 256] = next_row
            weight[start : start + 256] = torch.tensor([_magnitude(feature.name, value) for value in range(256)])
            next_row += span
    return first_row, weight, next_row


def _is_read(name: str) -> bool:
    return name == "episode_completion_pct" or (name.startswith("inv:") and ":p" not in name)


def _magnitude(name: str, value: int) -> float:
    return value / 255 if name == "episode_completion_pct" else log1p(value)


def build_encoder(space: ObservationSpace, width: int) -> VectorEncoder | TokenEncoder:
    """The encoder for what an environment shows."""
    return TokenEncoder(space, width) if isinstance(space, TokenObservations) else VectorEncoder(space, width)


class VectorTrunk(nn.Sequential):
    """A trunk that begins with a `VectorEncoder`: all its layers are computed as one."""

    def __init__(self, encoder: VectorEncoder, sizes: Sequence[int], activation: Activation) -> None:
        super().__init__(*_alternating(encoder, sizes, activation))
        self.activation: Activation = activation
        self.layers = [encoder.layer, *(layer for layer in self if isinstance(layer, nn.Linear))]
        self.scaled = encoder.scaled

    def forward(self, input: Tensor) -> Tensor:
        """Features (B, H) of observations (B, *); a compiler is given the layers as they are, and joins them itself."""
        if torch.compiler.is_compiling():
            return super().forward(input)
        return perceptron(self.scaled(input), self.layers, self.activation)


class TokenTrunk(nn.Sequential):
    """A trunk that begins with a `TokenEncoder`; `layers` are the linear ones behind it."""

    def __init__(self, encoder: TokenEncoder, sizes: Sequence[int], activation: Activation) -> None:
        super().__init__(*_alternating(encoder, sizes, activation))
        self.activation: Activation = activation
        self.layers = [layer for layer in self if isinstance(layer, nn.Linear)]

    @property
    def encoder(self) -> TokenEncoder:
        """The first of its modules."""
        return cast("TokenEncoder", self[0])


class MixedTrunk(nn.Sequential):
    """A trunk that multiplies in bfloat16; its parameters, their gradients and its features are float32.

    Mixed precision (Micikevicius et al. 2018, arXiv:1710.03740) by torch's autocast. The range of bfloat16 is that of
    float32, so no loss has to be scaled.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Features (B, H) of observations (B, *)."""
        with torch.autocast(input.device.type, torch.bfloat16):
            return super().forward(input).float()


def trunk(
    encoder: VectorEncoder | TokenEncoder,
    sizes: Sequence[int],
    activation: Activation,
    precision: Precision = "float32",
) -> nn.Sequential:
    """The encoder and the hidden layers behind it, each followed by the activation."""
    if precision == "bfloat16":
        return MixedTrunk(*_alternating(encoder, sizes, activation))
    if isinstance(encoder, VectorEncoder):
        return VectorTrunk(encoder, sizes, activation)
    return TokenTrunk(encoder, sizes, activation)


def _alternating(encoder: nn.Module, sizes: Sequence[int], activation: Activation) -> list[nn.Module]:
    layers: list[nn.Module] = [encoder, _nonlinearity(activation)]
    for size_in, size_out in pairwise(sizes):
        layers += [linear(size_in, size_out), _nonlinearity(activation)]
    return layers


def linear(size_in: int, size_out: int, gain: float = sqrt(2)) -> nn.Linear:
    """A linear layer with orthogonal weights of this gain and no offset at first."""
    layer = nn.Linear(size_in, size_out)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def _nonlinearity(activation: Activation) -> nn.Module:
    return nn.Tanh() if activation == "tanh" else nn.ReLU()
