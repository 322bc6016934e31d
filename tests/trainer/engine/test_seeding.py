"""Streams are known by name and independent of each other."""

from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from trainer.contract import AxiomControls, SystemConfig
from trainer.engine.seeding import make_repeatable, stream, stream_seed

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.text(min_size=1, max_size=20))
def test_a_stream_seed_is_a_63_bit_number_and_always_the_same(seed, name):
    found = stream_seed(seed, name)
    assert 0 <= found < 2**63
    assert found == stream_seed(seed, name)


@given(seeds)
def test_streams_of_one_seed_differ_and_so_do_seeds_of_one_stream(seed):
    names = [f"env/{i}" for i in range(50)] + ["policy", "minibatches", "evaluate/arena/basic/0"]
    assert len({stream_seed(seed, name) for name in names}) == len(names)
    assert stream_seed(seed, "policy") != stream_seed((seed + 1) % 2**32, "policy")


def test_drawing_from_one_stream_does_not_shift_another():
    expected = stream(0, "policy").initial_seed()
    other = stream(0, "env/0")
    other.seed()
    assert stream(0, "policy").initial_seed() == expected


def test_numpy_takes_as_many_threads_as_the_spec_says():
    threadpool_limits(2, "blas")
    make_repeatable(AxiomControls(), SystemConfig(device="cpu", torch_threads=1))
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
