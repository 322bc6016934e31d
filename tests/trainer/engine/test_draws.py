"""What is drawn for some slots is their part of what is drawn for all."""

import pytest
import torch
from torch import Generator

from trainer.engine.draws import SharedDraws
from trainer.engine.ranks import Ranks

COUNT, SLOTS = 3, 4
ALL = COUNT * SLOTS
CHANCES = torch.linspace(0.1, 0.9, 5).expand(ALL, 5)


def rand(rows, chance):
    return torch.rand(len(rows), 5, generator=chance)


def rand_of_a_shape(rows, chance):
    return torch.rand(rows.shape, generator=chance)


def randn(rows, chance):
    return torch.randn((len(rows), 3), generator=chance)


def randint(rows, chance):
    return torch.randint(0, SLOTS, (len(rows),), generator=chance)


def multinomial(rows, chance):
    return torch.multinomial(rows, 1, generator=chance)


def bernoulli(rows, chance):
    return torch.bernoulli(rows, generator=chance)


def normal(rows, chance):
    return torch.normal(rows, rows, generator=chance)


def exponential_in_place(rows, chance):
    drawn = torch.empty(len(rows), 5)
    assert drawn.exponential_(generator=chance) is drawn
    return drawn


def into_a_tensor(rows, chance):
    drawn = torch.empty(len(rows), 5)
    torch.rand(len(rows), 5, generator=chance, out=drawn)
    return drawn


def step_by_step_into_one_memory(rows, chance):
    drawn = torch.empty(3, len(rows), 5)
    for step in drawn.unbind():
        step.uniform_(generator=chance)
    return drawn.transpose(0, 1)


DRAWS = (
    rand,
    rand_of_a_shape,
    randn,
    randint,
    multinomial,
    bernoulli,
    normal,
    exponential_in_place,
    into_a_tensor,
    step_by_step_into_one_memory,
)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_parts_of_all_processes_are_the_draw_of_one_and_the_stream_goes_on_alike(draw):
    whole = Generator().manual_seed(7)
    expected = draw(CHANCES, whole)
    parts = []
    for rank in range(COUNT):
        own = Generator().manual_seed(7)
        with SharedDraws(own, SLOTS, Ranks(rank, COUNT)):
            parts.append(draw(CHANCES[rank * SLOTS : (rank + 1) * SLOTS], own))
        assert torch.equal(own.get_state(), whole.get_state())
    assert torch.equal(torch.cat(parts), expected)


def test_a_draw_that_is_not_for_slots_is_the_same_everywhere():
    one, two = Generator().manual_seed(7), Generator().manual_seed(7)
    with SharedDraws(two, SLOTS, Ranks(1, COUNT)):
        assert torch.equal(torch.rand(3, generator=two), torch.rand(3, generator=one))


def test_other_streams_and_other_functions_are_left_alone():
    one, two = Generator().manual_seed(7), Generator().manual_seed(7)
    with SharedDraws(Generator(), SLOTS, Ranks(1, COUNT)):
        assert torch.equal(torch.rand(SLOTS, 2, generator=two), torch.rand(SLOTS, 2, generator=one))
        assert torch.zeros(SLOTS).shape == (SLOTS,)
