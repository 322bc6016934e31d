"""Many generators' first numbers at once are numpy's own, bit by bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.envs.first_numbers import first_numbers


def numpys_own(seeds: list[int], count: int) -> list[list[float]]:
    return [np.random.Generator(np.random.PCG64(seed)).random(count).tolist() for seed in seeds]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50), st.integers(1, 9))
def test_they_are_those_of_a_generator_for_each_seed(seeds: list[int], count: int) -> None:
    assert first_numbers(np.array(seeds), count).tolist() == numpys_own(seeds, count)


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_the_smallest_and_the_largest_seeds_are_no_exception(seed: int) -> None:
    assert first_numbers(np.array([seed]), 4).tolist() == numpys_own([seed], 4)
