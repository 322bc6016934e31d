"""Small parts of the update."""

import numpy as np
import pytest
import torch

from trainer.contract import TrainerConfig
from trainer.engine.parameters import Parameters
from trainer.engine.ranks import Ranks
from trainer.engine.rollout import Rollout
from trainer.engine.update import Batch, Learner, Minibatch, Targets, explained_variance, normalize

STEPS, SLOTS = 6, 4


def learner(memory: int, ranks: Ranks) -> Learner:
    """At the beginning of an epoch of 3 minibatches, with memory 2, of steps whose numbers all say which step it is."""
    numbers = torch.arange(STEPS * SLOTS).view(STEPS, SLOTS)
    arrays = [numbers.float().numpy()] * 3
    rollout = Rollout(
        observations=torch.stack([numbers, -numbers], -1),
        actions=numbers,
        log_probs=numbers.float(),
        starts=numbers % 2 == 0,
        state=torch.arange(memory * SLOTS).view(memory, SLOTS, 1),
        rewards=arrays[0],
        values=arrays[1],
        next_values=arrays[2],
        ends=np.zeros((STEPS, SLOTS), np.bool_),
    )
    fields = {"total_timesteps": 24, "num_envs": SLOTS, "batch_size": 24, "minibatch_size": 12 if memory else 8}
    game = {"env": {"id": "CartPole-v1"}}
    config = TrainerConfig(**fields, curriculum=game, ppo={"normalize_advantages": False})
    layer = torch.nn.Linear(1, 1)
    made = Learner(layer, Parameters(layer), config, torch.Generator().manual_seed(3), ranks)
    return made.studying(Batch(rollout, Targets(*[numbers.float()] * 3), 0.1, 0.2)).shuffle()


def epoch(memory: int, ranks: Ranks | None = None) -> list[Minibatch]:
    begun = learner(memory, ranks or Ranks())
    return [begun.next_minibatch().minibatch for _ in range(2 if memory else 3)]


@pytest.mark.parametrize("memory", [0, 1])
def test_an_epoch_takes_every_step_once_in_the_order_that_was_drawn(memory):
    order = torch.randperm(SLOTS if memory else 24, generator=torch.Generator().manual_seed(3))
    steps = torch.arange(24).view(STEPS, SLOTS)[:, order] if memory else order.unsqueeze(0)
    assert torch.equal(torch.cat([part.actions for part in epoch(memory)], 1), steps)


@pytest.mark.parametrize("memory", [0, 2])
def test_all_that_a_minibatch_holds_belongs_to_the_same_steps(memory):
    for part in epoch(memory):
        steps = part.actions
        assert torch.equal(part.observations, torch.stack([steps, -steps], -1))
        assert torch.equal(part.starts, steps % 2 == 0)
        for numbers in (part.log_probs, part.advantages, part.returns, part.values):
            assert torch.equal(numbers, steps.float())
        slots = torch.stack([steps[0] % SLOTS + row * SLOTS for row in range(memory)]) if memory else torch.empty(0, 4)
        assert torch.equal(part.state.squeeze(-1), slots)


@pytest.mark.parametrize("memory", [0, 1])
def test_the_parts_of_two_processes_are_the_minibatch_of_one(memory):
    parts = zip(epoch(memory), epoch(memory, Ranks(0, 2)), epoch(memory, Ranks(1, 2)), strict=True)
    for whole, first, second in parts:
        for name in ("observations", "state", "log_probs", "advantages") if memory else ("observations", "advantages"):
            both = torch.cat([getattr(first, name), getattr(second, name)], 1)
            assert torch.equal(both, getattr(whole, name))


def test_the_advantages_of_each_minibatch_have_mean_0_and_deviation_1():
    normal = normalize(torch.tensor([[[1.0, 2.0, 3.0, 6.0], [8.0, 6.0, 5.0, 0.0]]]))
    assert normal.mean((0, 2)).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert normal.square().mean((0, 2)).tolist() == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.parametrize("equal", [[4.0], [4.0, 4.0, 4.0]])
def test_advantages_without_spread_become_0_and_not_nan(equal):
    assert normalize(torch.tensor([[equal]])).tolist() == [[[0.0] * len(equal)]]


@pytest.mark.parametrize(
    ("values", "explained"),
    [([1, 2, 3], 1.0), ([2, 2, 2], 0.0), ([3, 2, 1], -3.0), ([11, 12, 13], 1.0)],
)
def test_explained_variance_at_its_known_points(values, explained):
    returns = np.array([1, 2, 3], np.float32)
    assert explained_variance(np.array(values, np.float32), returns) == pytest.approx(explained, abs=1e-6)


def test_equal_returns_have_no_variance_to_explain():
    assert explained_variance(np.array([1, 2], np.float32), np.array([5, 5], np.float32)) is None
