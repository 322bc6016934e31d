"""What the benchmark on a GPU does where there is none, and its parts that need none."""

import os
import sys
import time

import pytest
import torch

from benchmarks.gpu import NO_GPU, gpu
from benchmarks.gpu_ours import WAYS, spec_of
from benchmarks.results import NotMeasured, keep
from benchmarks.turns import Contender
from benchmarks.utilization import Utilization


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU on this machine")
def test_without_a_gpu_it_says_so_and_starts_nothing():
    assert gpu() is NO_GPU
    assert NO_GPU == "no GPU on this machine: not measured"


def test_what_was_measured_elsewhere_is_not_replaced_by_what_was_not_measured(tmp_path):
    results = tmp_path / "RESULTS.md"
    keep("gpu", NotMeasured("no GPU"), results)
    assert "no GPU" in results.read_text()
    keep("gpu", "1,000 steps/s", results)
    keep("gpu", NotMeasured("no GPU"), results)
    assert "1,000 steps/s" in results.read_text() and "no GPU" not in results.read_text()


def test_each_way_is_a_training_of_its_own_on_a_gpu_where_there_is_one():
    specs = [spec_of(8, 2, 0, 32, way) for way in range(len(WAYS))]
    assert len({spec.spec_hash for spec in specs}) == len(WAYS)
    assert {spec.system.device for spec in specs} == {"auto"}
    assert {spec.agent.hidden_sizes for spec in specs} == {(32, 32)}


def test_ours_takes_turns_with_mixed_precision():
    contender = Contender(sys.executable, "benchmarks.gpu_ours", (4, 1, 0, 16, 1), os.environ)
    assert contender.update()["seconds"] > 0
    contender.close()


SAMPLER = "import sys, time\nfor n in range(1000): print(n if n % 2 else '[N/A]', flush=True); time.sleep(0.01)"


def test_samples_belong_to_the_time_when_they_came_and_what_is_no_number_is_left_out():
    with Utilization((sys.executable, "-c", SAMPLER)) as utilization:
        while len(utilization.between(0, time.perf_counter())) < 3:
            time.sleep(0.01)
        middle = time.perf_counter()
        while not utilization.between(middle, time.perf_counter()):
            time.sleep(0.01)
        end = time.perf_counter()
    early, late = utilization.between(0, middle), utilization.between(middle, end)
    assert early[:3] == [1, 3, 5]
    assert late[0] == early[-1] + 2
    assert utilization.between(end + 1000, end + 2000) == []


def test_the_sampler_ends_with_the_block():
    with Utilization((sys.executable, "-c", SAMPLER)) as utilization:
        process = utilization._process
    assert process.returncode is not None
