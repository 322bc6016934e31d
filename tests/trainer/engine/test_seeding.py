"""Streams are known by name and independent of each other."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from trainer.contract import AxiomControls, Refused, SystemConfig
from trainer.engine.seeding import CUBLAS_VARIABLE, make_repeatable, require_repeatable_products, stream, stream_seed

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


def test_products_on_a_gpu_are_held_to_workspaces_that_repeat_them():
    environment: dict[str, str] = {}
    require_repeatable_products(environment)
    assert environment == {CUBLAS_VARIABLE: ":4096:8"}
    environment = {CUBLAS_VARIABLE: ":16:8"}
    require_repeatable_products(environment)
    assert environment == {CUBLAS_VARIABLE: ":16:8"}


def test_a_workspace_that_does_not_repeat_is_refused_with_what_to_do():
    with pytest.raises(Refused, match=r"CUBLAS_WORKSPACE_CONFIG = ':0:0': .*:4096:8 or :16:8; or set controls"):
        require_repeatable_products({CUBLAS_VARIABLE: ":0:0"})


def test_a_cpu_needs_no_workspace_and_the_environment_stays_as_it_is():
    before = dict(os.environ)
    make_repeatable(AxiomControls(), SystemConfig(device="cpu"))
    assert dict(os.environ) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_product_on_a_gpu_is_accepted_as_deterministic():
    code = "import torch; from trainer.contract import AxiomControls as A, SystemConfig as S\n"
    code += "from trainer.engine.seeding import make_repeatable\n"
    code += "x = torch.ones(8, 8, device=make_repeatable(A(), S(device='cuda'))); assert (x @ x).sum().item() == 512"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_compiler_is_held_to_what_repeats_as_torch_is():
    code = "import torch, torch._inductor.config as c\n"
    code += "from trainer.contract import AxiomControls as A, SystemConfig as S\n"
    code += "from trainer.engine.seeding import make_repeatable\n"
    code += "for wanted in (True, False):\n"
    code += "    make_repeatable(A(deterministic=wanted), S(device='cpu', compile='default'))\n"
    code += "    assert c.deterministic is wanted is torch.are_deterministic_algorithms_enabled()\n"
    subprocess.run([sys.executable, "-c", code], check=True)
