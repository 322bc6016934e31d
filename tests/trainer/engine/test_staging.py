"""What goes between host and device, whatever the device is: the same numbers, once, and they stay."""

import numpy as np
import pytest
import torch

from trainer.contract import AgentConfig, EnvConfig
from trainer.engine.rollout import Collector
from trainer.engine.staging import DeviceStaging, HostStaging, Staging, staging_for
from trainer.envs.interface import Spaces
from trainer.envs.vector import VectorEnv
from trainer.policies.actor_critic import ActorCritic

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
STAGINGS = {
    "host": HostStaging,
    "device": lambda: DeviceStaging(torch.device("cpu")),
    "gpu": lambda: DeviceStaging(torch.device("cuda")),
}


@pytest.fixture(params=["host", "device", pytest.param("gpu", marks=NO_GPU)])
def staging(request) -> Staging:
    return STAGINGS[request.param]()


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32, np.int64])
def test_what_goes_up_and_comes_down_is_the_same_in_type_shape_and_value(staging, dtype):
    array = np.arange(12).reshape(3, 2, 2).astype(dtype)
    there = staging.up(array)
    assert (there.dtype, there.shape) == (torch.from_numpy(array).dtype, array.shape)
    back = staging.down(there)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


def test_what_went_up_stays_whatever_goes_up_after_it(staging):
    arrays = [np.full((64, 64), number, np.float32) for number in range(50)]
    there = [staging.up(array) for array in arrays]
    for array, tensor in zip(arrays, there, strict=True):
        np.testing.assert_array_equal(staging.down(tensor), array)


def test_each_step_that_was_seen_is_there_at_once_and_all_are_there_at_the_end(staging):
    seen = staging.seen()
    steps = [np.random.default_rng(step).random((3, 4), np.float32) for step in range(5)]
    for step in steps:
        np.testing.assert_array_equal(staging.down(seen.add(step)), step)
    np.testing.assert_array_equal(staging.down(seen.stacked()), np.stack(steps))


def test_tokens_of_different_widths_are_padded_to_the_widest(staging):
    seen = staging.seen()
    for width in (2, 4, 3):
        seen.add(np.full((2, width, 3), width, np.uint8))
    found = staging.down(seen.stacked())
    assert (found.dtype, found.shape) == (np.uint8, (3, 2, 4, 3))
    assert [row.tolist() for row in found[:, 1, :, 2]] == [[2, 2, 255, 255], [4, 4, 4, 4], [3, 3, 3, 255]]


def test_a_rollout_that_begins_anew_has_seen_nothing(staging):
    staging.seen().add(np.ones((1, 1), np.float32))
    second = staging.seen()
    second.add(np.zeros((1, 1), np.float32))
    assert second.stacked().tolist() == [[[0.0]]]


class Sent(DeviceStaging):
    """A staging that keeps what it sent."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.arrays: list[np.ndarray] = []

    def up(self, array):
        self.arrays.append(array)
        return super().up(array)


def collected(staging: Staging | None):
    with VectorEnv(EnvConfig(id="CartPole-v1"), num_envs=3) as envs:
        torch.manual_seed(0)
        policy = ActorCritic(Spaces(envs.observation_space, envs.action_space, 1), AgentConfig(hidden_sizes=(8,)))
        collector = Collector(envs, torch.Generator().manual_seed(0), torch.device("cpu"), staging)
        collector.restart([1, 2, 3])
        return collector.collect(policy, 30)


def test_a_rollout_is_bit_for_bit_the_same_through_either():
    host, device = collected(None), collected(DeviceStaging(torch.device("cpu")))
    for name in ("observations", "actions", "log_probs", "starts"):
        assert torch.equal(getattr(host, name), getattr(device, name)), name
    for name in ("rewards", "values", "next_values", "ends"):
        np.testing.assert_array_equal(getattr(host, name), getattr(device, name))


def test_each_observation_of_a_rollout_goes_up_once():
    staging = Sent()
    rollout = collected(staging)
    observations = [array for array in staging.arrays if array.dtype == np.float32 and array.shape == (3, 4)]
    assert len(observations) == 30 + 1, "one each step, and the one that follows"
    np.testing.assert_array_equal(np.stack(observations[:30]), rollout.observations.numpy())
    assert max(array.size for array in staging.arrays) <= max(3 * 4, 3 * 30)


def test_a_cpu_needs_no_copies_and_anything_else_is_a_device():
    assert isinstance(staging_for(torch.device("cpu")), HostStaging)
    assert isinstance(staging_for(torch.device("meta")), DeviceStaging)
    array = np.zeros(3, np.float32)
    assert staging_for(torch.device("cpu")).up(array).data_ptr() == array.ctypes.data
