"""The first numbers of many of numpy's generators at once; it makes none, for one costs more than a short episode.

A seed's words are mixed as in O'Neill 2015, "Developing a seed_seq alternative"; the generator is PCG XSL RR 128/64 of
O'Neill 2014, "PCG: a family of simple fast space-efficient statistically good algorithms". Numpy keeps both as they are
(NEP 19). Legend: n seeds.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.integer]
_WORDS = 4  # of 32 bits, in the pool that a seed fills
_FACTOR = 0x2360ED051FC65DA44385DF649FCCF645
_LOW = 0xFFFFFFFF


class _Wide(NamedTuple):
    """Numbers of 128 bits as two halves."""

    high: Words
    low: Words


def first_numbers(seeds: Words, count: int) -> NDArray[np.float64]:
    """What `Generator(PCG64(seed)).random(count)` gives for seeds (n,) from 0 to 2^32 - 1, (n, count), bit by bit."""
    words = _mixed(seeds.astype(np.uint32)).astype(np.uint64)
    high, low, of_step, also = words[::2] | words[1::2] << 32
    step = _Wide(of_step << 1 | also >> 63, also << 1 | 1)
    begun = _sum(_Wide(high, low), step)
    # After k steps `s` is `factor^k s + (1 + factor + ... + factor^(k-1)) step`; the first one is part of seeding.
    factors, sums = _steps(count + 2)
    states = _sum(_product(begun, factors[2:]), _product(step, sums[2:]))
    mixed, turn = states.high ^ states.low, states.high >> 58
    turned = mixed >> turn | mixed << (-turn & 63)
    return ((turned >> 11).astype(np.float64) * 2.0**-53).T


def _mixed(seeds: Words) -> Words:
    """The eight words (8, n) from which a generator begins, `SeedSequence(seed).generate_state(8)`."""
    constants = _constants(0x43B0D7E5, 0x931E8875, _WORDS * _WORDS)
    pool = np.zeros((_WORDS, len(seeds)), np.uint32)
    pool[0] = seeds
    pool = _hashed(pool, constants[:_WORDS])
    for source in range(_WORDS):
        others = [word for word in range(_WORDS) if word != source]
        own = constants[_WORDS + 3 * source : _WORDS + 3 * source + 3]
        joined = pool[others] * 0xCA01F9DD - _hashed(pool[source], own) * 0x4973F715
        pool[others] = joined ^ joined >> 16
    return _hashed(np.tile(pool, (2, 1)), _constants(0x8B51F9DD, 0x58F38DED, 2 * _WORDS))


def _hashed(words: Words, constants: Words) -> Words:
    found = (words ^ constants[:, :1]) * constants[:, 1:]
    return found ^ found >> 16


@cache
def _constants(first: int, factor: int, count: int) -> Words:
    """What each of so many words is mixed with, and then multiplied by: a row for each."""
    powers = [first * pow(factor, power, 1 << 32) & _LOW for power in range(count + 1)]
    return np.array(list(pairwise(powers)), np.uint32)


@cache
def _steps(count: int) -> tuple[Sequence[int], Sequence[int]]:
    """For each number of steps below `count`, by what a state is multiplied, and the step that is added."""
    factors = [pow(_FACTOR, steps, 1 << 128) for steps in range(count)]
    return factors, [sum(factors[:steps]) % (1 << 128) for steps in range(count)]


def _sum(one: _Wide, other: _Wide) -> _Wide:
    low = one.low + other.low
    return _Wide(one.high + other.high + (low < one.low), low)


def _product(wide: _Wide, factors: Sequence[int]) -> _Wide:
    """Numbers (n,) times each of m factors, (m, n), modulo 2^128."""
    high, low = (_column(factors, shift, 64) for shift in (64, 0))
    upper, lower = (_column(factors, shift, 32) for shift in (32, 0))
    above, below = wide.low >> 32, wide.low & _LOW
    least, one, other = below * lower, below * upper, above * lower
    carried = (least >> 32) + (one & _LOW) + (other & _LOW) >> 32
    return _Wide(
        above * upper + (one >> 32) + (other >> 32) + carried + wide.low * high + wide.high * low, wide.low * low
    )


def _column(numbers: Sequence[int], shift: int, bits: int) -> Words:
    return np.array([[number >> shift & (1 << bits) - 1] for number in numbers], np.uint64)
