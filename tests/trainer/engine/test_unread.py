"""The minibatches of an update read nothing back from the device: there the host would wait for all that it asked for.

`meta` is a device whose tensors have no numbers: whoever reads one, or mixes it with one of the host, fails.
"""

import numpy as np
import pytest
import torch

from benchmarks.loops import epoch
from trainer.contract import AgentConfig, TrainAndEvalSpec
from trainer.contract.declared import declared_ops
from trainer.engine.parameters import Parameters
from trainer.engine.ranks import Ranks
from trainer.engine.rollout import Rollout
from trainer.engine.update import Batch, Learner, Targets
from trainer.envs.interface import (
    BoxActions,
    DiscreteActions,
    Spaces,
    TokenFeature,
    TokenObservations,
    VectorObservations,
)
from trainer.ops.ppo_kl import PpoKl
from trainer.policies.actor_critic import ActorCritic

META = torch.device("meta")
STEPS, SLOTS = 8, 4
TOKENS = TokenObservations(5, (TokenFeature(5, "tag", 10.0, ("mine", "altar")),), window_width=3, window_height=3)
VECTORS, MOVES = VectorObservations((6,)), DiscreteActions(3)
CASES = {
    "closed form": (VECTORS, MOVES, {}, {}),
    "tokens": (TOKENS, MOVES, {}, {}),
    "memory": (VECTORS, MOVES, {"core": "lstm"}, {}),
    "continuous": (VECTORS, BoxActions(-np.ones(1, np.float32), np.ones(1, np.float32)), {}, {}),
    "clipped values": (VECTORS, MOVES, {}, {"ppo": {"value_clip_coef": 0.2}}),
    **{kind: (VECTORS, MOVES, {}, {"optimizer": {"type": kind}}) for kind in ("adamw", "sgd", "muon")},
}


def learner(observation, action, agent, trainer) -> Learner:
    policy = ActorCritic(Spaces(observation, action, 1), AgentConfig(hidden_sizes=(8, 8), **agent))
    if observation is VECTORS:
        policy.observe(torch.randn(20, 6))
    policy = policy.to(META)
    game = {"env": {"id": "CartPole-v1"}}
    sizes = {"num_envs": SLOTS, "batch_size": STEPS * SLOTS, "minibatch_size": STEPS * SLOTS // 2}
    config = TrainAndEvalSpec.accept({"trainer": {"curriculum": game, **sizes, **trainer}}).trainer
    made = Learner(policy, Parameters(policy), config, torch.Generator(), Ranks())
    return made.studying(Batch(rollout(policy, observation, action), Targets(*[floats()] * 3), 0.1, 0.2))


def floats() -> torch.Tensor:
    return torch.empty(STEPS, SLOTS, device=META)


def rollout(policy: ActorCritic, observation, action) -> Rollout:
    shape, dtype = ((5, 3), torch.uint8) if observation is TOKENS else ((6,), torch.float32)
    own = torch.long if action is MOVES else torch.float32
    arrays = [torch.zeros(STEPS, SLOTS).numpy()] * 3
    return Rollout(
        observations=torch.empty(STEPS, SLOTS, *shape, dtype=dtype, device=META),
        actions=torch.empty(STEPS, SLOTS, *(() if action is MOVES else (1,)), dtype=own, device=META),
        log_probs=floats(),
        starts=torch.empty(STEPS, SLOTS, dtype=torch.bool, device=META),
        state=policy.initial_state(SLOTS).to(META),
        rewards=arrays[0],
        values=arrays[1],
        next_values=arrays[2],
        ends=arrays[0] > 0,
    )


def learn(learner: Learner, **others) -> None:
    epoch(learner, {**declared_ops(learner.config.optimizer), **others}, 2)


@pytest.mark.parametrize("case", CASES)
def test_no_number_is_read_from_the_device_in_a_minibatch(case):
    begun = learner(*CASES[case])
    learn(begun)
    learn(begun)
    assert begun.parameters.values.device == META
    with pytest.raises((RuntimeError, NotImplementedError)):
        begun.losses()


def test_nor_by_the_other_losses():
    learn(learner(*CASES["closed form"]), compute_loss=PpoKl())


def test_a_loss_that_reads_a_number_is_found_out():
    def reading(sample):
        sample.advantages.mean().item()

    with pytest.raises(RuntimeError, match="meta"):
        learn(learner(*CASES["closed form"]), compute_loss=reading)
