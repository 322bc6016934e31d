"""A training that was interrupted and one that was not are the same, bit for bit."""

import json
import random
import signal
import subprocess
import sys
import time
from functools import cache

import pytest
import torch

from trainer.contract import (
    Manifest,
    Refused,
    RunDirectory,
    Superseded,
    attempts,
    begin_attempt,
    begin_run,
    read_manifest,
)
from trainer.engine.checkpoint import load_checkpoint, saved_checkpoints
from trainer.engine.digests import read_digests
from trainer.entry import run_stage
from trainer.reporters import SilentReporter
from trainer.stopping import Cancelled

CLOCKED = ("seconds", "charts/SPS")
BUCKETS = {"buckets": {"kwargs.max_episode_steps": (10, 30)}}
WAYS = {
    "plain": {},
    "gru": {"agent": {"core": "gru", "core_size": 8}},
    "normalized": {"trainer": {"normalize_observations": True}},
    "workers": {"trainer": {"num_workers": 2}},
    "overlap": {"trainer": {"overlap": True}},
    "muon": {"trainer": {"optimizer": {"type": "muon"}}},
    "curriculum": {
        "overrides": {"curriculum": {"learning_progress": BUCKETS}},
        "trainer": {"curriculum": {"env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 20}}}},
    },
}


class Interrupted:
    """A reporter that is told to stop after some updates."""

    def __init__(self, updates: int) -> None:
        self.left = updates
        self.lines: list[str] = []

    def progress(self, progress):
        self.left -= 1
        if self.left == 0:
            raise Cancelled

    def log(self, message):
        self.lines.append(message)


def segmented(small, **changes):
    """Eight updates in segments of two."""
    trainer = {"total_timesteps": 2048, "checkpoint": {"interval_updates": 2, "keep": 2}}
    return small(**(changes | {"trainer": trainer | changes.get("trainer", {})}))


def metrics_of(run: RunDirectory) -> list[dict[str, float]]:
    lines = (json.loads(line) for line in run.metrics_file.read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in CLOCKED} for line in lines]


@pytest.fixture(scope="module")
def uninterrupted(small, tmp_path_factory):
    """The training of each way that is never stopped, once for all that are held against it."""

    @cache
    def make(way: str) -> tuple[RunDirectory, Manifest]:
        run = RunDirectory(tmp_path_factory.mktemp("uninterrupted") / "whole")
        begin_run(segmented(small, **WAYS[way]), run)
        return run, run_stage("train", run, SilentReporter())

    return make


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [1, 2, 3, 8])
def test_a_training_that_was_stopped_and_resumed_equals_one_that_was_not(
    way, after, uninterrupted, small, start, reporter
):
    whole, never_stopped = uninterrupted(way)
    run = start(segmented(small, **WAYS[way]), "stopped")
    with pytest.raises(Cancelled):
        run_stage("train", run, Interrupted(after))
    manifest = run_stage("train", run, reporter)
    assert manifest.weights_digest == never_stopped.weights_digest
    assert manifest.attempt == 2
    assert metrics_of(run) == metrics_of(whole)
    assert read_digests(run.digests_file) == read_digests(whole.digests_file)
    assert read_manifest(run.stage("train") / "manifest_1.json").status == "cancelled"


def test_a_segment_begins_with_every_environment_anew(small, trained):
    run, _ = trained(segmented(small))
    other, _ = trained(segmented(small, trainer={"checkpoint": {"interval_updates": 4}}), "other")
    chains, others = read_digests(run.digests_file), read_digests(other.digests_file)
    assert [line["digests"] for line in chains[:2]] == [line["digests"] for line in others[:2]]
    assert chains[2]["digests"]["rollout.observations"] != others[2]["digests"]["rollout.observations"]


TRAINER = """
import sys
from pathlib import Path
from trainer.contract import RunDirectory
from trainer.entry import run_stage
from trainer.stopping import Cancelled, StopRequest


class EveryUpdate:
    def progress(self, progress):
        print(str(progress.done).ljust(500), flush=True)

    def log(self, message):
        pass


try:
    run_stage("train", RunDirectory(Path(sys.argv[1])), StopRequest().heeded_by(EveryUpdate()))
except Cancelled:
    sys.exit(143)
"""


def kill_at_random(run: RunDirectory, seed: int, how: signal.Signals) -> int:
    """Start a trainer in a process and end it after a random number of updates, or while it still imports.

    Its pipe holds eight lines: it cannot run far ahead of what was read.
    """
    chance = random.Random(seed)
    command = [sys.executable, "-c", TRAINER, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pipesize=4096) as process:
        assert process.stdout is not None
        for _ in range(chance.randrange(12)):
            process.stdout.readline()
        time.sleep(chance.random() * 0.02)
        process.send_signal(how)
        process.stdout.read()
        return process.wait(timeout=30)


@pytest.mark.parametrize("env", ["CartPole-v1", "arena"])
def test_a_trainer_killed_again_and_again_ends_with_the_same_weights(env, small, start, trained, reporter):
    killed_at_random(env, 10, small, start, trained, reporter)


@pytest.mark.slow
@pytest.mark.parametrize("env", ["CartPole-v1", "arena"])
def test_a_trainer_killed_fifty_times_ends_with_the_same_weights(env, small, start, trained, reporter):
    killed_at_random(env, 50, small, start, trained, reporter)


def killed_at_random(env, times, small, start, trained, reporter):
    arena = {"num_agents": 4, "width": 9, "height": 9, "max_steps": 30}
    objects = {f"num_{kind}": 1 for kind in ("mines", "generators", "altars", "lasers", "armories")}
    config = {"id": env} | ({"arena": arena | objects} if env == "arena" else {})
    quick = {"batch_size": 64, "minibatch_size": 64, "ppo": {"update_epochs": 1}}
    updates = {"total_timesteps": 64 * 50 * times, "checkpoint": {"interval_updates": 4, "keep": 2}}
    spec = small(trainer={"curriculum": {"env": config}, **updates, **quick})
    whole, never_killed = trained(spec, "whole")
    run, killed = start(spec, "killed"), 0
    for seed in range(times):
        killed += kill_at_random(run, seed, random.Random(seed).choice([signal.SIGKILL, signal.SIGTERM])) != 0
    assert killed == times
    manifest = run_stage("train", run, reporter)
    assert manifest.weights_digest == never_killed.weights_digest
    assert metrics_of(run) == metrics_of(whole)
    assert read_digests(run.digests_file) == read_digests(whole.digests_file)


@pytest.mark.parametrize("damage", ["torn", "flipped", "not torch"])
def test_a_damaged_checkpoint_is_passed_over_aloud(damage, small, start, trained, reporter):
    spec = segmented(small)
    whole, never_stopped = trained(spec, "whole")
    run = start(spec, "stopped")
    with pytest.raises(Cancelled):
        run_stage("train", run, Interrupted(5))
    newest = saved_checkpoints(run)[-1]
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        state = torch.load(newest, weights_only=True)
        state["policy"]["head.layer.bias"][0] += 1e-7
        torch.save(state, newest)
    else:
        newest.write_bytes(content[: len(content) // 2] if damage == "torn" else b"no checkpoint")
    manifest = run_stage("train", run, reporter)
    assert any(
        "WARNING: a damaged checkpoint is passed over" in line and newest.name in line for line in reporter.lines
    )
    assert "training goes on after update 2 of an earlier attempt" in reporter.lines
    assert manifest.weights_digest == never_stopped.weights_digest
    assert metrics_of(run) == metrics_of(whole)


def test_a_checkpoint_of_another_spec_is_refused(small, start, reporter):
    run = start(segmented(small))
    with pytest.raises(Cancelled):
        run_stage("train", run, Interrupted(3))
    begin_run(segmented(small, controls={"seed": 9}), run)
    with pytest.raises(Refused, match="it was made by spec sha256:"):
        run_stage("train", run, reporter)


def test_an_attempt_that_was_taken_over_stops_and_leaves_no_manifest(small, start, reporter):
    run = start(segmented(small))

    class TakenOver(Interrupted):
        def progress(self, progress):
            if self.left == 3:
                begin_attempt(run, "train", "another")
            self.left -= 1

    with pytest.raises(Superseded, match="attempt 1 at train has been taken over"):
        run_stage("train", run, TakenOver(5))
    assert not run.manifest_file("train").exists()
    assert [attempt.run_id for attempt in attempts(run, "train")] == [None, "another"]
    assert run_stage("train", run, reporter).attempt == 3


def test_the_best_checkpoint_stays_beside_the_newest(small, trained):
    run, _ = trained(segmented(small, trainer={"checkpoint": {"interval_updates": 1, "keep": 1}}))
    files = saved_checkpoints(run)
    scores = {line["update"]: line["overview/reward"] or float("-inf") for line in metrics_of(run)}
    best = max(scores, key=lambda update: scores[update])
    assert [file.name for file in files] == [f"update_{update:06d}.pt" for update in sorted({best, 8})]
    assert load_checkpoint(files[-1])["best"] == f"update_{best:06d}.pt"
