"""What the encoders read from observations, and what they must not."""

from math import log1p

import numpy as np
import pytest
import torch

from trainer.envs.interface import TokenFeature, TokenObservations, VectorObservations
from trainer.policies.encoders import TokenEncoder, VectorEncoder

PAD = [255, 255, 255]
SPACE = TokenObservations(
    num_tokens=4,
    features=(
        TokenFeature(1, "episode_completion_pct", 255.0),
        TokenFeature(3, "agent_id", 255.0),
        TokenFeature(5, "tag", 10.0, ("mine", "altar", "agent")),
        TokenFeature(7, "inv:ore", 10.0),
    ),
    window_width=13,
    window_height=13,
)


@pytest.fixture
def encoder() -> TokenEncoder:
    torch.manual_seed(0)
    return TokenEncoder(SPACE, width=6)


def encoded(encoder: TokenEncoder, *tokens: list[int]) -> torch.Tensor:
    return encoder(torch.tensor([tokens], dtype=torch.uint8))[0]


def test_a_category_has_a_row_of_its_own_at_each_location(encoder):
    rows = encoder.embedding.weight
    for value in range(3):
        row = rows[2 + value * 13 * 13 + 4 * 13 + 2]  # after padding and the one row of episode_completion_pct
        torch.testing.assert_close(encoded(encoder, [0x42, 5, value]), row)


def test_a_magnitude_weighs_one_row_by_its_logarithm(encoder):
    one, nine = encoded(encoder, [0x66, 7, 1]), encoded(encoder, [0x66, 7, 9])
    torch.testing.assert_close(nine, one * log1p(9) / log1p(1))


def test_tokens_add_up_in_any_order_and_padding_adds_nothing(encoder):
    tokens = [[0x42, 5, 1], [0x66, 7, 3], [0xFE, 1, 128]]
    forward = encoded(encoder, *tokens, PAD)
    torch.testing.assert_close(forward, encoded(encoder, *reversed(tokens)))
    torch.testing.assert_close(forward, sum(encoded(encoder, token) for token in tokens))


def test_what_does_not_bear_on_what_to_do_is_not_read(encoder):
    assert encoded(encoder, [0x42, 3, 17]).abs().sum() == 0  # agent_id
    assert encoded(encoder, [0x42, 200, 17]).abs().sum() == 0  # no such feature


def test_the_same_thing_elsewhere_is_another_row(encoder):
    assert not torch.equal(encoded(encoder, [0x42, 5, 1]), encoded(encoder, [0x43, 5, 1]))


def test_vector_moments_equal_those_of_all_batches_together():
    encoder = VectorEncoder(VectorObservations((3,)), width=4)
    batches = np.random.default_rng(0).normal(5, 3, size=(4, 50, 3)).astype(np.float32)
    for batch in batches:
        encoder.observe(torch.from_numpy(batch))
    together = batches.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(encoder.mean, together.mean(0), rtol=1e-9)
    np.testing.assert_allclose(encoder.variance, together.var(0), rtol=1e-9)


def test_vectors_are_scaled_only_after_the_first_batch_was_seen():
    encoder = VectorEncoder(VectorObservations((2,)), width=2)
    torch.nn.init.eye_(encoder.layer.weight)
    observation = torch.tensor([[4.0, -2.0]])
    torch.testing.assert_close(encoder(observation), observation)
    encoder.observe(torch.tensor([[2.0, 0.0], [6.0, 2.0]]))
    torch.testing.assert_close(encoder(observation), torch.tensor([[0.0, -3.0]]))


def test_far_outliers_are_clipped_after_scaling():
    encoder = VectorEncoder(VectorObservations((1,)), width=1)
    torch.nn.init.ones_(encoder.layer.weight)
    encoder.observe(torch.tensor([[0.0], [2.0]]))
    assert encoder(torch.tensor([[1e6]])).item() == pytest.approx(10.0)


def test_vectors_are_scaled_from_the_first_batch_on_and_alike_after_loading():
    torch.manual_seed(0)
    learned, loaded = (VectorEncoder(VectorObservations((3,)), width=2) for _ in range(2))
    seen = 5 + 2 * torch.randn(100, 3)
    assert torch.equal(learned.scaled(seen), seen)
    learned.observe(seen)
    assert learned.scaled(seen).mean().abs() < 0.01
    loaded.load_state_dict(learned.state_dict())
    assert torch.equal(loaded.scaled(seen), learned.scaled(seen))
    loaded.load_state_dict(VectorEncoder(VectorObservations((3,)), width=2).state_dict())
    assert torch.equal(loaded.scaled(seen), seen)
