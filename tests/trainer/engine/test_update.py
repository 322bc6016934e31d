"""Small parts of the update."""

import numpy as np
import pytest
import torch

from trainer.engine.update import explained_variance, normalize


def test_normalized_advantages_have_mean_0_and_deviation_1():
    normal = normalize(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert normal.mean().item() == pytest.approx(0, abs=1e-6)
    assert normal.square().mean().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("equal", [[4.0], [4.0, 4.0, 4.0]])
def test_advantages_without_spread_become_0_and_not_nan(equal):
    assert normalize(torch.tensor(equal)).tolist() == [0.0] * len(equal)


@pytest.mark.parametrize(
    ("values", "explained"),
    [([1, 2, 3], 1.0), ([2, 2, 2], 0.0), ([3, 2, 1], -3.0), ([11, 12, 13], 1.0)],
)
def test_explained_variance_at_its_known_points(values, explained):
    returns = np.array([1, 2, 3], np.float32)
    assert explained_variance(np.array(values, np.float32), returns) == pytest.approx(explained, abs=1e-6)


def test_equal_returns_have_no_variance_to_explain():
    assert explained_variance(np.array([1, 2], np.float32), np.array([5, 5], np.float32)) is None
