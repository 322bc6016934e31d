"""`axiom sync`: what was tracked offline arrives whole, in order and once, by the official client at a real server."""

import subprocess
import sys
import time

import pytest

from resources.wandb.uploading import require_key, upload
from trainer.contract import Refused, RunDirectory, begin_run, create_quick_experiment


def uploads(run, environment, **options):
    return [(each.stage, each.what, each.updates) for each in upload(run, environment, **options)]


def steps(server, name="quick-1"):
    return [row["update"] for row in server.run(name).rows]


def test_every_row_arrives_once_and_in_order_and_a_second_upload_sends_nothing(server, environment, tracked_offline):
    run = tracked_offline(updates=9)
    assert uploads(run, environment) == [("train", "uploaded", 9)]
    kept = server.run("quick-1")
    assert [row["update"] for row in kept.rows] == list(range(1, 10))
    assert kept.rows[3]["overview/reward"] == 2 and "none" not in kept.rows[3]
    assert (kept.fields["group"], kept.fields["jobType"], kept.fields["tags"]) == ("quick", "train", ["night"])
    asked = len(server.asked)
    assert uploads(run, environment) == [("train", "there", 9)]
    assert len(server.asked) == asked


@pytest.mark.slow
def test_rows_that_came_since_are_sent_and_no_other(server, environment, tracked_offline):
    uploads(tracked_offline(updates=4), environment)
    before = list(server.run("quick-1").history)
    assert uploads(tracked_offline_again(tracked_offline, updates=7), environment) == [("train", "uploaded", 7)]
    assert server.run("quick-1").history[:4] == before
    assert steps(server) == list(range(1, 8))


def tracked_offline_again(tracked_offline, updates):
    """The same run, grown."""
    run = tracked_offline("grown", updates=updates)
    first = run.path.with_name("quick-1")
    first.joinpath("train/metrics.jsonl").write_text(run.metrics_file.read_text())
    return type(run)(first)


def test_an_upload_that_was_killed_half_way_is_completed_by_the_next_one(server, environment, tracked_offline):
    run = tracked_offline(updates=9)
    server.rows_until_broken = 3
    command = [
        sys.executable,
        "-m",
        "trainer.engine.tracking",
        "--upload",
        "--run-dir",
        str(run.path),
        "--stage",
        "train",
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (server.runs and steps(server)) and time.monotonic() < until:
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert steps(server) == [1, 2, 3]
    server.rows_until_broken = None
    assert uploads(run, environment) == [("train", "uploaded", 9)]
    assert steps(server) == list(range(1, 10))


def test_a_wrong_key_is_told_and_nothing_is_marked_as_done(server, environment, tracked_offline):
    run = tracked_offline()
    (failed,) = upload(run, {**environment, "WANDB_API_KEY": "f" * 40})
    assert failed.what == "failed" and "401" in failed.problem and "f" * 40 not in failed.problem
    assert server.runs == {}
    assert uploads(run, environment) == [("train", "uploaded", 9)]


def test_no_network_is_told_within_seconds_and_nothing_is_marked_as_done(environment, tracked_offline):
    run = tracked_offline()
    (failed,) = upload(run, {**environment, "WANDB_BASE_URL": "http://127.0.0.1:9"})
    assert failed.what == "failed" and "http://127.0.0.1:9 does not answer" in failed.problem
    assert not (run.stage("train") / "uploaded.json").exists()


def test_without_a_key_nothing_is_begun(environment, tmp_path):
    with pytest.raises(Refused, match=r"WANDB_API_KEY.*no key for http://127.*wandb login"):
        require_key({name: value for name, value in environment.items() if name != "WANDB_API_KEY"})
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\n  login user\n  password x\n")
    require_key({**environment, "WANDB_API_KEY": ""})


def test_what_is_no_run_is_refused(environment, tmp_path):
    with pytest.raises(Refused, match=r"there is no run\.yaml"):
        list(upload(RunDirectory(tmp_path), environment))


TRAINS = """
import os, sys
from pathlib import Path
from trainer.contract import RunDirectory
from trainer.entry import run_stage

class Reporter:
    def progress(self, progress):
        if progress.done == int(sys.argv[2]):
            os.kill(os.getpid(), 9)

    def log(self, message):
        pass

run_stage("train", RunDirectory(Path(sys.argv[1])), Reporter())
"""


@pytest.mark.slow
def test_a_training_that_was_killed_and_resumed_arrives_complete_in_order_and_once(server, environment, tmp_path):
    sizes = {"total_timesteps": 2048, "batch_size": 256, "minibatch_size": 64, "num_envs": 4}
    checkpoint = {"checkpoint": {"interval_updates": 2}, "curriculum": {"env": {"id": "CartPole-v1"}}}
    spec = create_quick_experiment(trainer={**sizes, **checkpoint}, wandb={"mode": "offline"})
    run = RunDirectory(tmp_path / "killed-1")
    begin_run(spec, run)

    def train(killed_at):
        command = [sys.executable, "-c", TRAINS, str(run.path), str(killed_at)]
        return subprocess.run(command, env=environment, check=False).returncode

    assert [train(256 * 5), train(0)] == [-9, 0]
    segments = list(run.stage("train").rglob("*.wandb"))
    assert len(segments) == 2
    assert uploads(run, environment) == [("train", "uploaded", 8)]
    assert steps(server, "killed-1") == list(range(1, 9))
    assert server.run("killed-1").state == "finished"
