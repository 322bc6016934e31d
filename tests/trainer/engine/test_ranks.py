"""Several processes that train one agent: it is the agent of one process, and none waits for one that is gone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed import TCPStore

from tests.held.held import FOLDER, Hold
from trainer.algorithm.overrides import choice_of
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, attempts, begin_run, read_manifest
from trainer.engine.checkpoint import load_checkpoint, saved_checkpoints
from trainer.engine.digests import read_digests
from trainer.engine.ranks import Ranks
from trainer.entry import run_stage

ARENA = {"num_agents": 2, "width": 11, "height": 11, "max_steps": 20}
GRU = {"agent": {"core": "gru", "core_size": 8}}
NOISY = """
from dataclasses import replace

import torch


def noisy(collection):
    rollout, chance = collection.collect(), collection.collector.generator
    noise = torch.randn(rollout.rewards.shape[1], generator=chance).numpy()
    return replace(rollout, rewards=rollout.rewards + noise)
"""
WAYS = {
    "steps": {"trainer": {"ppo": {"target_kl": 0.02}, "num_workers": 2}},
    "whole rollouts": {**GRU, "trainer": {"normalize_observations": True, "minibatch_size": 128}},
    "continuous": {"trainer": {"curriculum": {"env": {"id": "Pendulum-v1"}}, "optimizer": {"type": "muon"}}},
    "many agents": {"trainer": {"curriculum": {"env": {"id": "arena", "arena": ARENA}}}},
    "own rollout": {"overrides": {"rollout": {"imported": {"target": "noisy:noisy"}}}},
    "curriculum": {
        "overrides": {"curriculum": {"learning_progress": {"buckets": {"kwargs.max_episode_steps": (10, 30)}}}},
        "trainer": {"curriculum": {"env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 20}}}},
    },
}
CLOCKED = ("seconds", "charts/SPS")
# Says at the end which weights each process holds.
TELLING = """
import os, sys
from pathlib import Path
from trainer.contract import RunDirectory
from trainer.engine.following import follow, told
from trainer.engine.ranks import joined
from trainer.entry import run_stage
from trainer.reporters import SilentReporter

run = RunDirectory(Path(sys.argv[1]))
with joined(os.environ) as ranks:
    what = ranks.from_first(lambda: told(run))
    if ranks.first:
        print(run_stage("train", run, SilentReporter(), ranks=ranks).weights_digest)
    else:
        print(follow(what, ranks, SilentReporter()))
"""
FAILING = """
import os


def pay(earned):
    if os.environ.get("RANK") == "1":
        raise ArithmeticError("no pay here")
    return earned.rewards
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of one's own, where specs find it."""

    def make(name: str, text: str) -> None:
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))

    return make


@pytest.fixture
def hold(tmp_path, monkeypatch) -> Hold:
    """Of trainings whose specs this process makes."""
    monkeypatch.syspath_prepend(FOLDER)
    return Hold(tmp_path / "hold")


@pytest.fixture
def together() -> Iterator:
    """Starts processes that train together, as torchrun does, whose store outlives them; kills what is left of them."""
    started: list[subprocess.Popen[str]] = []
    stores: list[TCPStore] = []

    def start(*words: str, count: int = 2) -> list[subprocess.Popen[str]]:
        stores.append(TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False))
        around = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(stores[-1].port)}
        around["TORCHELASTIC_USE_AGENT_STORE"] = "True"
        pipe = subprocess.PIPE
        processes = [
            subprocess.Popen(
                [sys.executable, *words],
                env=os.environ | around | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=pipe,
                stderr=pipe,
                text=True,
            )
            for rank in range(count)
        ]
        started.extend(processes)
        return processes

    yield start
    for process in started:
        process.kill()
        process.communicate()


def train(run: RunDirectory) -> list[str]:
    return ["-m", "trainer", "train", "--run-dir", str(run.path)]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit code and the words of each."""
    words = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, *said) for process, said in zip(processes, words, strict=True)]


def wait_for_updates(run: RunDirectory, updates: int) -> None:
    end = time.monotonic() + 90
    while not (run.metrics_file.exists() and len(run.metrics_file.read_text().splitlines()) >= updates):
        assert time.monotonic() < end
        time.sleep(0.05)


def rows(run: RunDirectory) -> list[dict[str, float]]:
    lines = (json.loads(line) for line in run.metrics_file.read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in CLOCKED} for line in lines]


def known(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if value is not None}


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return load_checkpoint(saved_checkpoints(run)[-1])["policy"]


def endless(small, **changes) -> TrainAndEvalSpec:
    return small(trainer={"total_timesteps": 10**9, "checkpoint": {"interval_updates": 1000}}, **changes)


@pytest.mark.parametrize("way", ["steps", *(pytest.param(way, marks=pytest.mark.slow) for way in list(WAYS)[1:])])
def test_two_processes_train_the_agent_of_one(way, small, start, trained, together, own_module):
    own_module("noisy", NOISY)
    spec = small(**WAYS[way])
    alone, _ = trained(spec, "alone")
    run = start(spec, "shared")
    for code, _, error in ended(together(*train(run))):
        assert code == 0, error
    for own, other in zip(rows(run), rows(alone), strict=True):
        assert known(own) == pytest.approx(known(other), rel=1e-3, abs=1e-4)
        assert own.keys() == other.keys()
    for name, value in weights(alone).items():
        assert torch.allclose(weights(run)[name].float(), value.float(), rtol=1e-3, atol=1e-5), name
    # Numbers that are drawn around a mean have its rounding; choices are the same or not.
    choices = [] if way == "continuous" else ["rollout.actions"]
    chains = zip(read_digests(run.digests_file), read_digests(alone.digests_file), strict=True)
    for own, other in [(own["digests"], other["digests"]) for own, other in chains]:
        for exact in ("rollout.ends", "random.policy", "random.minibatches", *choices):
            assert own[exact] == other[exact], exact
    manifest = read_manifest(run.manifest_file("train"))
    assert (manifest.status, manifest.compute.world_size, len(attempts(run, "train"))) == ("succeeded", 2, 1)
    assert manifest.spec_hash == read_manifest(alone.manifest_file("train")).spec_hash


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "code", "why"), [("target", 0, ""), ("divergence", 1, "monitors.divergence.it: ")])
def test_where_a_monitor_ends_the_training_all_end_after_the_same_update(kind, code, why, small, start, together):
    it = {"metric": "losses/grad_norm", "window": 2, "actions": ["stop_early"]}
    monitors = {kind: {"it": it | ({"value": 0} if kind == "target" else {"above": 0})}}
    run = start(small(trainer={"monitors": monitors, "checkpoint": {"interval_updates": 10}}))
    for found, _, error in ended(together(*train(run))):
        assert (found, why in error) == (code, True), error
    manifest = read_manifest(run.manifest_file("train"))
    assert [each.iteration for each in manifest.interventions] == [2]
    assert len(rows(run)) == 2


@pytest.mark.slow
def test_both_processes_hold_the_same_bits_and_so_does_a_second_run(small, start, together):
    found = []
    for name in ("one", "two"):
        run = start(small(**GRU, trainer={"minibatch_size": 128}), name)
        found += [said.strip() for _, said, _ in ended(together("-c", TELLING, str(run.path)))]
    assert found[0].startswith("sha256:")
    assert len(found) == 4
    assert len(set(found)) == 1


@pytest.mark.slow
def test_torchrun_starts_them_and_only_the_first_one_speaks(small, start):
    run = start(small())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    done = subprocess.run([*command, *train(run)[1:]], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["log"].split(":")[0] for line in said if "log" in line] == ["train succeeded"]
    assert len(rows(run)) == 4
    assert sorted(file.name for file in run.path.iterdir()) == ["run.yaml", "train"]


@pytest.mark.slow
def test_all_killed_and_started_again_they_end_as_if_never_killed(small, start, together, hold):
    updates = {"total_timesteps": 256 * 40, "checkpoint": {"interval_updates": 4, "keep": 2}}
    spec = small(trainer=updates, overrides=hold.overrides)
    whole, killed = (start(spec, name) for name in ("whole", "killed"))
    ended(together(*train(whole)))
    hold.at({"killed": 6})
    processes = together(*train(killed))
    wait_for_updates(killed, 6)
    for process in processes:
        process.kill()
    assert [code for code, _, _ in ended(processes)] == [-signal.SIGKILL] * 2
    assert not killed.manifest_file("train").exists()
    hold.release()
    for code, _, error in ended(together(*train(killed))):
        assert code == 0, error
    assert read_digests(killed.digests_file) == read_digests(whole.digests_file)
    again, never = (read_manifest(run.manifest_file("train")) for run in (killed, whole))
    assert (again.weights_digest, again.attempt, len(rows(killed))) == (never.weights_digest, 2, 40)


@pytest.mark.parametrize("gone", [0, 1])
def test_where_one_is_killed_the_other_ends_with_an_error_and_soon(gone, small, start, together):
    run = start(endless(small))
    processes = together(*train(run))
    wait_for_updates(run, 2)
    processes[gone].kill()
    began = time.monotonic()
    left = ended([processes[1 - gone]])[0]
    assert time.monotonic() - began < 60
    assert left[0] == 1
    assert "another process of this training is gone and left no word" in left[2]
    if gone == 1:
        manifest = read_manifest(run.manifest_file("train"))
        assert manifest.status == "failed"
        assert manifest.error.startswith("RankFailed: another process of this training is gone")


def test_where_one_fails_the_whole_stage_fails_with_its_error(small, start, together, own_module):
    own_module("failing", FAILING)
    run = start(small(overrides={"compute_reward": {"imported": {"target": "failing:pay"}}}))
    assert [code for code, _, _ in ended(together(*train(run)))] == [1, 1]
    manifest = read_manifest(run.manifest_file("train"))
    assert manifest.status == "failed"
    assert "rank 1 of 2 failed: ArithmeticError: no pay here" in manifest.error


@pytest.mark.slow
@pytest.mark.parametrize("told", [[0], [1], [0, 1]])
def test_where_any_is_told_to_stop_all_stop_and_the_stage_is_cancelled(told, small, start, together):
    run = start(endless(small))
    processes = together(*train(run))
    wait_for_updates(run, 2)
    for rank in told:
        processes[rank].terminate()
    assert [code for code, _, _ in ended(processes)] == [143, 143]
    assert read_manifest(run.manifest_file("train")).status == "cancelled"


def test_what_the_first_one_refuses_ends_the_others(tmp_path, together):
    missing = RunDirectory(tmp_path / "nothing")
    (code, _, first), (other, _, second) = ended(together(*train(missing)))
    assert (code, other) == (2, 1)
    assert first.startswith("refused: ")
    assert "RankFailed: rank 0 of 2 failed: Refused: " in second


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_envs": 1}, r"trainer\.num_envs = 1: cannot be divided among 2 .* multiple of 2, or start 1"),
        ({"batch_size": 252, "minibatch_size": 63}, r"trainer\.minibatch_size = 63: .* use a multiple of 2"),
        ({"minibatch_size": 64, **GRU}, r"trainer\.minibatch_size = 64: .* whole rollouts; use a multiple of 128"),
        ({"overlap": True}, r"trainer\.overlap = True: .* leave it off, or start one process"),
    ],
)
def test_what_cannot_be_divided_is_refused_with_what_to_do(changes, message, small, start, reporter):
    agent = {"agent": changes.pop("agent")} if "agent" in changes else {}
    run = start(small(trainer=changes, **agent))
    with pytest.raises(Refused, match=message):
        run_stage("train", run, reporter, ranks=Ranks(0, 2))
    assert not run.manifest_file("train").exists()


def test_what_only_one_process_has_is_refused(small, start, reporter):
    def pay(earned):
        return earned.rewards

    run = start(small(overrides={"compute_reward": choice_of(pay)}))
    with pytest.raises(Refused, match="cannot be shared among 2 processes"):
        run_stage("train", run, reporter, functions={"train.compute_reward": pay}, ranks=Ranks(0, 2))


def test_parts_are_equal_in_order_and_cover_all():
    assert [list(Ranks(rank, 3).share(6)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert [Ranks(rank, 2).own("abcd") for rank in range(2)] == ["ab", "cd"]
    with pytest.raises(Refused, match=r"use a multiple of 4, or start 1 or 2 or 3$"):
        Ranks(0, 4).share(6)


def test_one_alone_sends_and_copies_nothing():
    ranks, tensor, array = Ranks(), torch.ones(2, 3), np.ones((2, 3))
    ranks.mean_(tensor)
    assert ranks.gather(tensor) is tensor
    assert ranks.gather_array(array) is array
    assert ranks.from_first(lambda: tensor) is tensor


@pytest.mark.parametrize("stage", ["evaluate", "verify"])
def test_no_more_than_a_training_is_shared(stage, tmp_path):
    command = [sys.executable, "-m", "trainer", stage, "--run-dir", str(tmp_path)]
    around = os.environ | {"WORLD_SIZE": "2", "RANK": "0"}
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"WORLD_SIZE = '2': {stage} runs in one process" in done.stderr


def test_a_process_without_a_number_is_refused(tmp_path):
    around = os.environ | {"WORLD_SIZE": "2"}
    command = [sys.executable, *train(RunDirectory(tmp_path))]
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "RANK = ''" in done.stderr
    assert "torchrun" in done.stderr


@pytest.mark.slow
def test_a_repetition_in_one_process_names_the_number_of_processes_as_a_difference(small, start, together, tmp_path):
    run = start(small())
    ended(together(*train(run)))
    command = [sys.executable, "-m", "trainer", "verify", "--run-dir", str(run.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout.splitlines()[-1])["verification"]
    assert {"path": "world_size", "a": 2, "b": 1} in found["conditions"]["environment"]
    assert "differs: world_size: 2 → 1" in done.stderr


@pytest.mark.slow
def test_a_spec_file_begins_one_run_for_all(tmp_path, small, together):
    source = tmp_path / "source"
    begin_run(small(), RunDirectory(source))
    run = RunDirectory(Path(tmp_path) / "run")
    words = [*train(run), "--spec", str(source / "run.yaml"), "trainer.total_timesteps=512"]
    assert [code for code, _, _ in ended(together(*words))] == [0, 0]
    assert len(rows(run)) == 2
