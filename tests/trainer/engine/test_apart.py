"""Whoever collects, here or in a process of its own, keeps one contract; and that process fails aloud."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.algorithm.overrides import choice_of
from trainer.contract import (
    AgentConfig,
    ArenaConfig,
    AxiomControls,
    EnvConfig,
    Refused,
    SystemConfig,
    read_manifest,
)
from trainer.engine.apart import CollectorApart, CollectorPlan
from trainer.engine.rollout import Collecting, Collector, Rollout
from trainer.engine.seeding import make_repeatable
from trainer.entry import run_stage
from trainer.envs.make import spaces_of
from trainer.envs.vector import VectorEnv
from trainer.ops.ppo_clip import PpoClip
from trainer.policies.actor_critic import ActorCritic
from trainer.stopping import Cancelled
from trainer.worker import WorkerFailed

CPU, SYSTEM = torch.device("cpu"), SystemConfig(device="cpu")
CARTPOLE, PENDULUM = EnvConfig(id="CartPole-v1"), EnvConfig(id="Pendulum-v1")
ARENA = EnvConfig(arena=ArenaConfig(num_agents=3, width=12, height=12, max_steps=7))
ENVS, STEPS = 4, 12


def here(env: EnvConfig) -> Collector:
    make_repeatable(AxiomControls(), SYSTEM)  # as the other process does: threads share sums otherwise
    return Collector(VectorEnv(env, ENVS), torch.Generator().manual_seed(0), CPU)


def apart(env: EnvConfig, num_workers: int = 1) -> CollectorApart:
    plan = CollectorPlan(AxiomControls(), SYSTEM, env, ENVS, num_workers)
    return CollectorApart(plan, torch.Generator().manual_seed(0), CPU)


def policy_for(env: EnvConfig, **agent: object) -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(spaces_of(env), AgentConfig.model_validate({"hidden_sizes": (8,), **agent}))


@pytest.fixture(params=[here, apart])
def collecting(request: pytest.FixtureRequest) -> Iterator[Collecting]:
    """Either, in pendulums, its episodes begun."""
    with closing(request.param(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        yield collector


def differing(one: Rollout, other: Rollout) -> list[str]:
    """What is not the same in both, bit by bit."""
    pairs = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(Rollout)}
    ends = [[(end.env, end.returns.tolist(), end.length, end.task) for end in ended] for ended in pairs.pop("ended")]
    arrays = [name for name, (a, b) in pairs.items() if not np.array_equal(np.asarray(a), np.asarray(b))]
    return [*arrays, *(["ended"] if ends[0] != ends[1] else [])]


@pytest.mark.parametrize(
    ("env", "agent", "num_workers"),
    [(CARTPOLE, {}, 1), (CARTPOLE, {"core": "gru"}, 1), (PENDULUM, {}, 2), (ARENA, {}, 1)],
    ids=["choices", "memory", "boxes and a worker of its own", "tokens"],
)
def test_a_rollout_and_the_chance_after_it_are_the_same_wherever_it_is_collected(env, agent, num_workers) -> None:
    policy, found = policy_for(env, **agent), []
    for collector in (here(env), apart(env, num_workers)):
        with closing(collector):
            collector.restart(range(ENVS))
            rollouts = [collector.collect(policy, STEPS) for _ in range(2)]
            collector.restart(range(1, ENVS + 1))
            rollouts.append(collector.collect(policy, STEPS))
            found.append((rollouts, collector.generator.get_state()))
    (one, chance), (other, chance_apart) = found
    assert [differing(*pair) for pair in zip(one, other, strict=True)] == [[], [], []]
    assert torch.equal(chance, chance_apart)


def test_chance_that_is_set_before_a_rollout_is_what_the_rollout_draws(collecting) -> None:
    policy, start = policy_for(PENDULUM), collecting.generator.get_state()
    first = collecting.collect(policy, STEPS)
    collecting.generator.set_state(start)
    collecting.restart(range(ENVS))
    assert differing(first, collecting.collect(policy, STEPS)) == []


def test_a_policy_is_taken_as_it_is_when_it_is_given(collecting) -> None:
    policy = policy_for(PENDULUM)
    before = collecting.collect(policy, 1)
    with torch.no_grad():
        policy.head_value.bias.fill_(1000)
    after = collecting.collect(policy, 1)
    assert before.values.max() < 900 < after.values.min()


def test_a_task_is_played_from_the_next_episode_on_and_told_with_its_end(collecting) -> None:
    task = {"kwargs.g": 1.0}
    collecting.assign([task] * ENVS)
    policy = policy_for(PENDULUM)
    tasks = [[end.task for end in collecting.collect(policy, 200).ended] for _ in range(2)]
    assert tasks == [[{}] * ENVS, [task] * ENVS]


def test_a_task_that_cannot_be_played_is_refused_and_all_goes_on(collecting) -> None:
    with pytest.raises(Refused, match="g_force"):
        collecting.assign([{"kwargs.g_force": 1.0}] * ENVS)
    assert len(collecting.collect(policy_for(PENDULUM), STEPS).rewards) == STEPS


def test_after_its_end_nothing_of_it_is_left_and_it_may_be_closed_again(collecting) -> None:
    collecting.close()
    collecting.close()
    assert not multiprocessing.active_children()


def test_a_policy_that_cannot_go_to_the_process_is_refused_with_what_to_do() -> None:
    class Local(ActorCritic):
        """Known to this function only."""

    policy = policy_for(PENDULUM)
    policy.__class__ = Local
    with closing(apart(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        with pytest.raises(Refused, match=r"train\.policy .*Local cannot go to the process .* top of a module"):
            collector.collect(policy, STEPS)


class Fails(ActorCritic):
    """A policy that cannot act."""

    def act(self, *given, **named):
        """Fail."""
        raise ArithmeticError("cannot act")


def test_an_error_in_the_process_is_raised_here_with_its_traceback() -> None:
    policy = policy_for(PENDULUM)
    policy.__class__ = Fails
    with closing(apart(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        with pytest.raises(WorkerFailed, match=r"(?s)environments 0 to 3, which collects, failed.*cannot act"):
            collector.collect(policy, STEPS)
    assert not multiprocessing.active_children()


def test_environments_that_cannot_be_made_there_are_an_error_here() -> None:
    with pytest.raises(WorkerFailed, match=r"(?s)environments 0 to 3, which collects, failed.*num_workers = 9"):
        apart(PENDULUM, num_workers=9)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("death", "raised"), [(signal.SIGKILL, WorkerFailed), (signal.SIGTERM, Cancelled)])
def test_a_process_that_dies_is_an_error_and_one_that_is_told_to_stop_says_so(death, raised) -> None:
    with closing(apart(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        (process,) = multiprocessing.active_children()
        assert process.pid is not None
        os.kill(process.pid, death)
        with pytest.raises(raised):
            collector.collect(policy_for(PENDULUM), STEPS)


def test_where_a_worker_of_the_process_is_told_to_stop_so_is_this() -> None:
    with closing(apart(PENDULUM, num_workers=2)) as collector:
        collector.restart(range(ENVS))
        (process,) = multiprocessing.active_children()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (worker,) = [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        os.kill(int(worker), signal.SIGTERM)
        with pytest.raises(Cancelled):
            collector.collect(policy_for(PENDULUM), STEPS)


def test_the_policy_from_before_the_update_acts_however_late_it_does() -> None:
    policy = policy_for(PENDULUM)
    with closing(here(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        expected = collector.collect(policy, STEPS)
    with closing(apart(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        collector.begin(policy, STEPS)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.zero_()
        assert differing(expected, collector.collect(policy, STEPS)) == []


def test_what_was_begun_is_handed_out_once_whatever_is_asked_in_between() -> None:
    policy, task = policy_for(PENDULUM), {"kwargs.g": 1.0}
    with closing(apart(PENDULUM)) as collector:
        collector.restart(range(ENVS))
        collector.begin(policy, 3)
        collector.begin(policy, 2)
        collector.assign([task] * ENVS)
        assert [len(collector.collect(policy, 1).rewards) for _ in range(3)] == [3, 2, 1]
        collector.begin(policy, 194)
        collector.restart(range(ENVS))
        assert [end.task for end in collector.collect(policy, 1).ended] == [{}] * ENVS
        assert [end.task for end in collector.collect(policy, 200).ended] == [task] * ENVS


PARENT = """
import time
from tests.trainer.engine.test_apart import PENDULUM, apart, ENVS
if __name__ == "__main__":
    collector = apart(PENDULUM, num_workers=2)
    collector.restart(range(ENVS))
    print("ready", flush=True)
    {end}
"""


@pytest.mark.parametrize(
    ("end", "death"), [("time.sleep(60)", signal.SIGKILL), ("time.sleep(60)", signal.SIGTERM), ("", None)]
)
def test_process_and_workers_end_with_their_parent_however_it_ends(end, death, tmp_path) -> None:
    file = tmp_path / "parent.py"
    file.write_text(PARENT.format(end=end))
    parent = subprocess.Popen(
        [sys.executable, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    with ExitStack() as stack:
        stack.callback(parent.kill)
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        if death is not None:
            parent.send_signal(death)
        # Every process holds the pipe of stderr open: this returns only when the last of them is gone.
        _, errors = parent.communicate(timeout=30)
    assert errors == ""


def overlapping(**changes: object) -> dict[str, object]:
    """Four updates in one segment."""
    return {"overlap": True, "checkpoint": {"interval_updates": 4}} | changes


def test_overlap_is_repeatable_and_another_training_than_without(small, trained) -> None:
    changes = (overlapping(), overlapping(num_workers=2), overlapping(overlap=False))
    one, two, without = (trained(small(trainer=each), str(n))[1].weights_digest for n, each in enumerate(changes))
    assert one == two != without


def test_nothing_is_collected_over_the_end_of_a_segment(small, trained) -> None:
    _, overlapping = trained(small(trainer={"overlap": True}), "overlapping")
    _, without = trained(small(), "without")
    assert overlapping.weights_digest == without.weights_digest


@pytest.mark.parametrize(("overlap", "others"), [(False, {"envs-2-3"}), (True, {"collector"})])
def test_with_overlap_whoever_steps_is_apart_from_who_learns(small, start, reporter, overlap, others) -> None:
    found = set[str]()

    def look(sample):
        found.update(child.name for child in multiprocessing.active_children())
        return PpoClip()(sample)

    changes = overlapping(overlap=overlap, num_workers=2)
    run = start(small(trainer=changes, overrides={"compute_loss": choice_of(look)}))
    run_stage("train", run, reporter, functions={"train.compute_loss": look})
    assert found == others


def test_a_training_that_is_told_to_stop_while_it_collects_ends_as_cancelled(small, start, reporter) -> None:
    def stop(sample):
        raise Cancelled

    run = start(small(trainer=overlapping(), overrides={"compute_loss": choice_of(stop)}))
    with pytest.raises(Cancelled):
        run_stage("train", run, reporter, functions={"train.compute_loss": stop})
    assert read_manifest(run.manifest_file("train")).status == "cancelled"
    assert not multiprocessing.active_children()
