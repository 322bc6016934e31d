"""For every clause of `policy` an op that breaks it, and as few others as can be, and is told so."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from trainer.engine.conformance import everywhere, policy
from trainer.envs.interface import DiscreteActions
from trainer.policies.actor_critic import ActorCritic, Judgement


def a(kind):
    return lambda blueprint: kind(blueprint.spaces, blueprint.agent)


def twisted(**methods):
    """An actor-critic with some methods of another mind; each gets the policy and what its own would be given."""
    return a(type("Twisted", (ActorCritic,), methods))


def act(change):
    return lambda self, *args, **more: change(self, ActorCritic.act(self, *args, **more))


def judge(change):
    return lambda self, *args: change(self, *args, ActorCritic.forward(self, *args))


def reused():
    """The first policy, moved at each call."""
    calls = count()

    def make(blueprint):
        policy = blueprint.actor_critic()
        with torch.no_grad():
            policy.head_value.bias += next(calls)
        return policy

    return make


def scribbling_policy(blueprint):
    if not isinstance(blueprint.spaces.action, DiscreteActions):
        blueprint.spaces.action.low[:] = -2
    return blueprint.actor_critic()


class WithLooseWeight(ActorCritic):
    """One weight is no parameter."""

    def __init__(self, spaces, agent):
        super().__init__(spaces, agent)
        self.loose = torch.randn(())

    def forward(self, observations, state, starts):
        judged = super().forward(observations, state, starts)
        return replace(judged, values=judged.values + self.loose)


def drifting(self, observations, state, starts, judged):
    """Values grow with the step, which is counted from wherever judging began."""
    count = torch.arange(len(observations)).unsqueeze(-1)
    return replace(judged, values=judged.values + count)


def by_columns(self, observations, state, starts, judged):
    count = torch.arange(observations.shape[1])
    return replace(judged, values=judged.values + count)


class Endless(ActorCritic):
    """A policy that sums what it saw and never forgets."""

    def initial_state(self, slots):
        return torch.zeros(1, slots, 1)

    def forward(self, observations, state, starts):
        judged = super().forward(observations, state[:0], starts)
        sums = state[0, :, 0] + observations.flatten(2).sum(-1).cumsum(0)
        return Judgement(judged.parameters, judged.values + sums, sums[-1].reshape(1, -1, 1))


class Silent(ActorCritic):
    """It remembers, and gives no values as it acts."""

    def __init__(self, spaces, agent):
        super().__init__(spaces, agent.model_copy(update={"core": "gru"}))

    def act(self, *args, **more):
        return replace(super().act(*args, **more), values=None)


def frozen(blueprint):
    policy = blueprint.actor_critic()
    for weight in (*policy.critic.parameters(), *policy.head_value.parameters()):
        nn.init.zeros_(weight)
        weight.requires_grad = False
    return policy


def learning_observer(self, observations):
    with torch.no_grad():
        self.head_value.bias += observations.mean()


def with_gradients(self, observations, state, starts):
    return self(observations.unsqueeze(0), state, starts.unsqueeze(0)).values[0]


def distracted_act(self, *args, **more):
    torch.rand(())
    return ActorCritic.act(self, *args, **more)


def with_doubled_actions(self, made):
    return replace(made, actions=torch.stack([made.actions, made.actions], 1))


def boundless(self, parameters):
    return ActorCritic.entropy(self, parameters) * 0 + torch.inf


def more_likely(self, made):
    return replace(made, log_probs=made.log_probs + 0.1)


POLICY = [
    (everywhere.runs, lambda given: given.no_such_field),
    (policy.returns_a_module, lambda blueprint: nn.Linear(1, 1)),
    (everywhere.repeats, reused()),
    (everywhere.keeps, scribbling_policy),
    (policy.has_initial_state, twisted(initial_state=lambda self, slots: torch.zeros(0, slots))),
    (policy.decides_for_every_slot, twisted(act=act(with_doubled_actions)), policy.decides_by_its_judgement),
    (policy.decides_for_every_slot, a(Silent)),
    (policy.judges_every_step, twisted(forward=judge(lambda self, o, s, b, judged: SimpleNamespace(**vars(judged))))),
    (policy.is_finite, twisted(entropy=boundless)),
    (policy.decides_by_its_judgement, twisted(act=act(more_likely))),
    (policy.values_as_it_judges, twisted(value=lambda self, *args: ActorCritic.value(self, *args) * 2)),
    (policy.acts_without_gradients, twisted(value=with_gradients)),
    (policy.draws_from_its_generator, twisted(act=distracted_act)),
    (policy.judges_as_it_acts, twisted(forward=judge(drifting)), policy.judges_shuffled_steps),
    (policy.judges_shuffled_steps, twisted(forward=judge(by_columns))),
    (policy.forgets_at_a_start, a(Endless)),
    (policy.learns_everywhere, frozen),
    (policy.observes_without_learning, twisted(observe=learning_observer)),
    (policy.is_its_state_dict, a(WithLooseWeight)),
]


@pytest.mark.parametrize("case", POLICY, ids=lambda case: case[0].__name__)
def test_an_op_that_breaks_a_clause_of_policy_is_told_it_and_why(case, assert_told):
    assert_told("policy", *case)


def test_every_clause_of_policy_has_an_op_that_breaks_it(assert_all_broken):
    assert_all_broken("policy", POLICY)
