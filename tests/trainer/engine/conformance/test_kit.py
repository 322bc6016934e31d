"""What the kit hands on: verdicts, refusals and sentences, without a trace in the process's random numbers."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.engine.conformance import SLOTS, Verdict, clauses, conform, require_conformance
from trainer.engine.conformance.chance import global_states
from trainer.engine.conformance.compare import difference
from trainer.envs.interface import DiscreteActions, Spaces, TokenFeature, TokenObservations, VectorObservations
from trainer.ops.adam import Adam
from trainer.ops.gae import Gae
from trainer.ops.global_norm import GlobalNorm
from trainer.ops.op import implementations
from trainer.plain.refusal import Refused

OPS = [(slot, op) for slot, named in implementations().items() for op in named.values()]
TOKENS = Spaces(TokenObservations(6, (TokenFeature(0, "tag", 1.0, ("a", "b")),), 3, 3), DiscreteActions(4), 2)


def clip_then_adam(descent):
    norm = GlobalNorm()(descent.to_clip())
    return descent.clipped(norm).stepped(Adam()(descent.to_step()))


def actor_critic(blueprint):
    return blueprint.actor_critic()


def collect(collection):
    return collection.collect()


def broken(slot, op, spaces=None) -> list[Verdict]:
    return [verdict for verdict in conform(slot, op, spaces) if not verdict.held]


@pytest.mark.parametrize(("slot", "op"), OPS, ids=lambda each: getattr(each, "name", None))
def test_every_registered_op_with_its_defaults_conforms(slot, op):
    verdicts = conform(slot, op())
    assert [verdict for verdict in verdicts if not verdict.held] == []
    assert tuple(verdict.clause for verdict in verdicts) == clauses(slot)


@pytest.mark.parametrize(
    ("slot", "op"), [("policy", actor_critic), ("rollout", collect), ("optimizer", clip_then_adam)]
)
def test_what_the_spec_declares_conforms(slot, op):
    assert broken(slot, op) == []


@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_a_policy_that_remembers_conforms(core):
    def remembering(blueprint):
        return replace(blueprint, agent=blueprint.agent.model_copy(update={"core": core})).actor_critic()

    assert broken("policy", remembering) == []


@pytest.mark.parametrize("slot", ["policy", "compute_reward"])
def test_an_op_for_one_kind_of_agent_is_tried_on_what_that_agent_sees(slot):
    def for_tokens(given):
        if slot == "policy":
            assert isinstance(given.spaces.observation, TokenObservations)
            return given.actor_critic()
        return given.rewards + given.observations[..., 5, 2].numpy()

    assert broken(slot, for_tokens, TOKENS) == []
    assert broken(slot, for_tokens) != []


def test_an_op_that_raises_breaks_one_clause_and_the_rest_is_not_looked_at():
    def careless(experience):
        raise ValueError("no idea")

    [verdict] = conform("compute_advantage", careless)
    assert verdict == Verdict("it runs on small batches", False, "raised ValueError: no idea (no episode ends)")


@pytest.mark.parametrize("slot", SLOTS)
def test_what_is_not_even_of_the_right_kind_breaks_a_premise(slot):
    assert not conform(slot, lambda given: "nonsense")[-1].held
    assert len(conform(slot, lambda given: "nonsense")) == 2


def test_a_refusal_names_the_path_the_op_and_each_broken_clause():
    def careless(experience):
        estimate = Gae()(experience)
        return replace(estimate, advantages=estimate.advantages.T, returns=estimate.returns * np.float64(1) * np.inf)

    with pytest.raises(Refused) as refused, np.errstate(invalid="ignore"):
        require_conformance("train.compute_advantage", "compute_advantage", careless)
    problems = refused.value.problems
    assert {problem.path for problem in problems} == {"train.compute_advantage"}
    assert all(problem.value.endswith("careless") for problem in problems)
    assert problems[0].why == (
        "breaks the contract of compute_advantage: advantages and returns have the shape (T, N) of the rewards: "
        "advantages has shape (3, 6), not (6, 3) (no episode ends)"
    )


def test_an_op_that_keeps_its_contract_is_let_through():
    require_conformance("train.compute_advantage", "compute_advantage", Gae())


@pytest.mark.parametrize("stage", ["train", "evaluate", "analyze"])
def test_of_a_whole_stage_nothing_is_asked(stage):
    assert clauses(stage) == ()
    assert conform(stage, lambda job: 1 / 0) == ()
    require_conformance(stage, stage, lambda job: 1 / 0)


@pytest.mark.parametrize("ask", [clauses, lambda slot: conform(slot, Gae())])
def test_an_unknown_slot_is_refused_with_the_nearest_name(ask):
    with pytest.raises(Refused, match="did you mean 'compute_advantage'"):
        ask("compute_advantages")


@pytest.mark.parametrize("slot", SLOTS)
def test_a_contract_is_sentences_each_said_once(slot):
    sentences = clauses(slot)
    assert len(set(sentences)) == len(sentences) > 4
    assert all(text[0].islower() and not text.endswith(".") for text in sentences)


@pytest.mark.parametrize("slot", SLOTS)
def test_the_processes_random_numbers_and_settings_stay_as_they_are(slot):
    def reckless(given):
        random.random()
        np.random.seed(5)
        torch.manual_seed(6)
        raise RuntimeError

    ops = {"policy": actor_critic, "rollout": collect, "optimizer": clip_then_adam}
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    before = global_states()
    conform(slot, reckless)
    conform(slot, ops.get(slot, reckless))
    assert difference(before, global_states()) == ""


def test_an_op_gets_the_same_verdicts_wherever_the_random_numbers_are():
    def moody(experience):
        estimate = Gae()(experience)
        return replace(estimate, returns=estimate.returns + np.random.rand(*estimate.returns.shape).astype(np.float32))

    first = conform("compute_advantage", moody)
    np.random.seed(99)
    assert conform("compute_advantage", moody) == first


def test_weights_drawn_after_the_kit_are_those_drawn_without_it():
    def weights(spaces, *, tried: bool):
        torch.manual_seed(4)
        if tried:
            require_conformance("train.policy", "policy", actor_critic)
            require_conformance("train.rollout", "rollout", collect)
        return torch.nn.Linear(*spaces.observation.shape, 8).weight

    spaces = Spaces(VectorObservations((4,)), DiscreteActions(2), 1)
    assert torch.equal(weights(spaces, tried=True), weights(spaces, tried=False))
