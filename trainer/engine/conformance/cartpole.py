"""Two CartPoles, the declared policy and its collector, the same each time; it never says what is right."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Generator

from trainer.contract import AgentConfig, EnvConfig
from trainer.engine.conformance.chance import seed_all
from trainer.engine.rollout import Collection, Collector
from trainer.envs.interface import Spaces
from trainer.envs.vector import VectorEnv
from trainer.pipeline.steps import Function
from trainer.policies.actor_critic import ActorCritic

STEPS, SLOTS = 16, 2


class CountedEnv(VectorEnv):
    """CartPole twice, and how often it was stepped."""

    def __init__(self) -> None:
        super().__init__(EnvConfig(id="CartPole-v1"), SLOTS)
        self.steps = 0

    def send(self, actions: np.ndarray[Any, Any]) -> None:
        """Begin a step."""
        self.steps += 1
        super().send(actions)


@contextmanager
def collection(steps: int = STEPS) -> Iterator[Collection]:
    """The same small collection each time."""
    seed_all()
    with CountedEnv() as envs:
        spaces = Spaces(envs.observation_space, envs.action_space, envs.num_agents)
        policy = ActorCritic(spaces, AgentConfig(hidden_sizes=(8,)))
        collector = Collector(envs, Generator().manual_seed(0), torch.device("cpu"))
        collector.restart([0, 1])
        yield Collection(collector, policy, steps)


def envs_of(given: Collection) -> CountedEnv:
    """The environments of such a collection."""
    return cast("CountedEnv", cast("Collector", given.collector).envs)


def rolled(op: Function, steps: int = STEPS) -> Any:
    """What the op makes of a small collection."""
    with collection(steps) as given:
        return op(given)
