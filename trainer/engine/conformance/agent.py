"""A small agent and the situations that a policy is tried in; it never says what is right.

Legend: T steps, N slots, B rows, * the shape of an observation.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor

from trainer.contract import AgentConfig
from trainer.engine.conformance.batches import SLOTS, STEPS, acted, observed
from trainer.engine.conformance.chance import seed_all
from trainer.envs.interface import Spaces
from trainer.pipeline.steps import Function
from trainer.policies.actor_critic import Blueprint, Decision, Judgement


def blueprint(spaces: Spaces) -> Blueprint:
    """A small agent, of spaces of its own: an op that writes on them writes on no other's."""
    return Blueprint(deepcopy(spaces), AgentConfig(hidden_sizes=(8,), core_size=8))


def made(op: Function, spaces: Spaces) -> Any:
    """A policy whose weights are drawn from the seed."""
    seed_all()
    return op(blueprint(spaces))


def situation(policy: Any, spaces: Spaces) -> tuple[Tensor, Tensor, Tensor]:
    """What act is given: observations (N, *), the initial state and starts (N,)."""
    starts = torch.tensor([True, False, False])
    return observed(spaces.observation, SLOTS), policy.initial_state(SLOTS), starts


def decided(policy: Any, spaces: Spaces, greedy: bool = False) -> Decision:
    """What act decides there, all chance from the same seed."""
    return policy.act(*situation(policy, spaces), Generator().manual_seed(3), greedy=greedy)


def judged_once(policy: Any, spaces: Spaces) -> Judgement:
    """What judging makes of the same situation, as a single step."""
    observations, state, starts = situation(policy, spaces)
    return policy(observations.unsqueeze(0), state, starts.unsqueeze(0))


def observed_steps(spaces: Spaces) -> Tensor:
    """Observations (T, N, *)."""
    return observed(spaces.observation, STEPS, SLOTS)


def starts_of_steps() -> Tensor:
    """An episode begins in every slot with the third step."""
    starts = torch.zeros(STEPS, SLOTS, dtype=torch.bool)
    starts[2] = True
    return starts


def judged_steps(policy: Any, spaces: Spaces) -> Judgement:
    """What judging makes of T steps."""
    return policy(observed_steps(spaces), policy.initial_state(SLOTS), starts_of_steps())


def measured(policy: Any, spaces: Spaces) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities and entropies (B,) and values (T, N), with gradients."""
    judged = judged_steps(policy, spaces)
    rows = judged.parameters.flatten(0, 1)
    actions = acted(spaces.action, STEPS * SLOTS)
    return policy.log_prob(rows, actions), policy.entropy(rows), judged.values
