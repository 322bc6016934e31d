"""A rollout that is collected while an update is learned: by whom, what it changes, and what becomes of its errors."""

import threading
import time
from contextlib import ExitStack
from multiprocessing import active_children

import pytest
import torch

from trainer.algorithm.overrides import choice_of
from trainer.contract import AgentConfig, EnvConfig, read_manifest
from trainer.engine.ahead import Ahead
from trainer.engine.rollout import Collector
from trainer.entry import run_stage
from trainer.envs.interface import Spaces
from trainer.envs.vector import VectorEnv
from trainer.ops.ppo_clip import PpoClip
from trainer.policies.actor_critic import ActorCritic
from trainer.stopping import Cancelled

STEPS = 20


@pytest.fixture
def made():
    """A policy and a collector that has begun its episodes, the same ones each time; closed at the end."""
    with ExitStack() as stack:

        def make() -> tuple[ActorCritic, Collector]:
            envs = stack.enter_context(VectorEnv(EnvConfig(id="CartPole-v1"), num_envs=2))
            torch.manual_seed(0)
            spaces = Spaces(envs.observation_space, envs.action_space, envs.num_agents)
            collector = Collector(envs, torch.Generator().manual_seed(0), torch.device("cpu"))
            collector.restart([0, 1])
            return ActorCritic(spaces, AgentConfig(hidden_sizes=(4,))), collector

        yield make


def test_the_policy_from_before_the_update_acts_however_late_it_does(made):
    policy, collector = made()
    expected = collector.collect(policy, STEPS)
    policy, collector = made()
    with ExitStack() as stack:
        ahead = Ahead(collector, STEPS, stack)
        ahead.begin(policy)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.zero_()
        ahead.wait()
        found = ahead.collection(policy).collect()
    assert torch.equal(found.observations, expected.observations)
    assert torch.equal(found.log_probs, expected.log_probs)
    assert torch.equal(torch.from_numpy(found.values), torch.from_numpy(expected.values))


def test_what_was_collected_ahead_is_handed_out_once(made):
    policy, collector = made()
    with ExitStack() as stack:
        ahead = Ahead(collector, STEPS, stack)
        ahead.begin(policy)
        ahead.wait()
        collection = ahead.collection(policy)
        assert collection.collect() is collection.collect()
        following = ahead.collection(policy)
        assert following.policy is policy
        assert following.collect() is not following.collect()


class Fails(ActorCritic):
    """A policy that cannot act."""

    def act(self, *given, **named):
        """Fail."""
        raise ArithmeticError("cannot act")


def test_an_error_of_the_thread_is_raised_where_it_is_waited_for(made):
    policy, collector = made()
    policy.__class__ = Fails
    with ExitStack() as stack:
        ahead = Ahead(collector, STEPS, stack)
        ahead.begin(policy)
        with pytest.raises(ArithmeticError, match="cannot act"):
            ahead.wait()


class Slow(ActorCritic):
    """A policy that takes its time."""

    def act(self, *given, **named):
        """Act, a little later."""
        time.sleep(0.005)
        return super().act(*given, **named)


def collecting() -> bool:
    """Whether there is a thread that collects ahead."""
    return any(thread.name.startswith("ahead") for thread in threading.enumerate())


def test_the_stack_waits_for_what_is_under_way(made):
    policy, collector = made()
    policy.__class__ = Slow
    with ExitStack() as stack:
        ahead = Ahead(collector, STEPS, stack)
        ahead.begin(policy)
        assert collecting()
    assert not collecting()


def overlapping(**changes):
    """Four updates in one segment."""
    return {"overlap": True, "checkpoint": {"interval_updates": 4}} | changes


def test_overlap_is_repeatable_and_another_training_than_without(small, trained):
    changes = (overlapping(), overlapping(), overlapping(overlap=False))
    one, two, without = (trained(small(trainer=each), str(n))[1].weights_digest for n, each in enumerate(changes))
    assert one == two != without


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing_of_it(small, trained):
    changes = (overlapping(), overlapping(num_workers=2))
    one, two = (trained(small(trainer=each), str(n))[1].weights_digest for n, each in enumerate(changes))
    assert one == two


@pytest.mark.parametrize(("overlap", "others"), [(False, {"envs-2-3"}), (True, {"envs-0-3"})])
def test_two_workers_are_two_processes_and_the_one_that_learns_steps_nothing(small, start, reporter, overlap, others):
    found = set[str]()

    def look(sample):
        found.update(child.name for child in active_children())
        return PpoClip()(sample)

    changes = overlapping(overlap=overlap, num_workers=2)
    run = start(small(trainer=changes, overrides={"compute_loss": choice_of(look)}))
    run_stage("train", run, reporter, functions={"train.compute_loss": look})
    assert found == others


def test_nothing_is_collected_over_the_end_of_a_segment(small, trained):
    _, overlapping = trained(small(trainer={"overlap": True}), "overlapping")
    _, without = trained(small(), "without")
    assert overlapping.weights_digest == without.weights_digest


def test_a_training_that_is_told_to_stop_while_it_collects_ends_as_cancelled(small, start, reporter):
    def stop(sample):
        if collecting():
            raise Cancelled
        return PpoClip()(sample)

    run = start(small(trainer=overlapping(), overrides={"compute_loss": choice_of(stop)}))
    with pytest.raises(Cancelled):
        run_stage("train", run, reporter, functions={"train.compute_loss": stop})
    assert read_manifest(run.manifest_file("train")).status == "cancelled"
    assert not collecting()
