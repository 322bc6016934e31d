"""Each environment's episodes have the seeds that its own generator draws, one after another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.envs.upcoming import Upcoming

SEEDS = (3, 5, 8)


@given(st.lists(st.sets(st.sampled_from(range(len(SEEDS))), min_size=1), max_size=60))
def test_the_seeds_are_those_drawn_one_by_one_whoever_ends_when(ending: list[set[int]]) -> None:
    upcoming, own = Upcoming(SEEDS, np.negative), [np.random.default_rng(seed) for seed in SEEDS]
    for rows in map(sorted, ending):
        told = upcoming.next(rows)
        assert [seed for seed, _ in told] == [own[row].integers(2**31 - 1) for row in rows]
        assert [first for _, first in told] == [-seed for seed, _ in told]
